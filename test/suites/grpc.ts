import { execFile, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { end, startReporting } from '../bench/processes.ts';
import { freePort, listening, startPair } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';
import { goTools } from './tools.ts';

const VERSION = 'v1.83.1';
const GO = ['google.golang.org/grpc/interop/client', 'google.golang.org/grpc/interop/server'];
const JS_CLIENT = resolve(import.meta.dirname, 'interop/js-client.ts');
const JS_SERVER = resolve(import.meta.dirname, 'interop/js-server.ts');

const COMMON_CASES = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  'rpc_soak',
  'channel_soak',
] as const;
/** Load reports: grpc-go has them on both ends, grpc-js on none. */
const GO_CASES = ['orca_per_rpc', 'orca_oob'] as const;

/** The balancer of grpc-go's own that hands the reports to its cases. */
const LOAD_REPORTS = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';

type Client = (port: number, name: string) => Promise<string | undefined>;

/** gRPC's interop cases through a pair: {go, js} clients to {go, js} servers, plain HTTP/2 on both sides, mutual TLS between. */
export const grpc: Suite = {
  name: 'grpc',
  title: 'interop cases of grpc-go and grpc-js through a pair of sidecars',
  async run(context) {
    const go = await goTools(GO, VERSION);
    const servers = new Map([['js', await startJsServer(context)]]);
    const clients = new Map<string, Client>([['js', jsClient]]);
    if ('missing' in go) context.skip('grpc-go', go.missing);
    else {
      servers.set('go', await startGoServer(context, go.files[1]!));
      clients.set('go', (port, name) => goClient(go.files[0]!, port, name));
    }
    for (const [language, appPort] of servers) {
      const { port } = await startPair(context, { appPort });
      for (const [caller, ask] of clients) {
        const both = caller === 'go' && language === 'go';
        for (const name of both ? [...COMMON_CASES, ...GO_CASES] : COMMON_CASES) {
          if (context.wants(name)) await judge(context, `${caller} to ${language} ${name}`, () => ask(port, name));
        }
      }
    }
  },
};

async function judge(context: SuiteContext, name: string, run: () => Promise<string | undefined>): Promise<void> {
  const why = await run();
  if (why === undefined) context.pass(name);
  else context.fail(name, why);
}

async function startJsServer(context: SuiteContext): Promise<number> {
  const { child, line } = await startReporting(process.execPath, [JS_SERVER]);
  context.after(() => end(child));
  return Number(line);
}

async function startGoServer(context: SuiteContext, file: string): Promise<number> {
  const port = await freePort();
  const child = spawn(file, ['--port', String(port)], { stdio: 'ignore' });
  context.after(() => end(child));
  await listening(port);
  return port;
}

const jsClient: Client = (port, name) => outcome(process.execPath, [JS_CLIENT, String(port), name]);

function goClient(file: string, port: number, name: string): Promise<string | undefined> {
  const soak = name.endsWith('_soak') ? ['--soak_iterations=10', '--soak_overall_timeout_seconds=30'] : [];
  const orca = name.startsWith('orca_') ? [`--service_config_json=${LOAD_REPORTS}`] : [];
  return outcome(file, ['--server_host=127.0.0.1', `--server_port=${port}`, `--test_case=${name}`, ...soak, ...orca]);
}

/** @returns why the program failed, or undefined */
function outcome(file: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(file, args, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve(error === null ? undefined : `${error.message.split('\n')[0]}\n${stderr}${stdout}`.trim().slice(-800)),
    );
  });
}
