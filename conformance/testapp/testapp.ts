import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { controlName, serveReceipts } from './control.ts';
import { proxyFrom } from './dial.ts';
import type { Call } from './protocol.ts';

const USAGE = `usage: weft testapp serve --listen-address ADDRESS [--http PORTS] [--tcp PORTS] [--tcp-first PORTS]
       weft testapp driver            JSON lines on stdin and stdout (conformance/testapp/protocol.ts)
       weft testapp call JSON         one call, its result on stdout
       The environment tells who it is: APP_NAME, APP_VERSION, POD_NAMESPACE, POD_NAME; HTTP_PROXY is honoured.
`;

export interface TestappIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: Readable;
  readonly stdout: Writable;
}

/**
 * `weft testapp`: the program that the suite's test pods run. Resolves with the exit code. Each verb loads its own code only: a run
 * starts two of these in every pod.
 */
export async function testapp(args: readonly string[], io: TestappIo, signal: AbortSignal): Promise<number> {
  const [verb, ...rest] = args;
  const { env } = io;
  const control = controlName(env['POD_NAMESPACE'] ?? 'default', env['POD_NAME'] ?? 'testapp');
  switch (verb) {
    case 'serve':
      await runServer(rest, io, control, signal);
      return 0;
    case 'driver': {
      const { drive } = await import('./driver.ts');
      await drive({ proxy: proxyFrom(env), control, stdin: io.stdin, stdout: io.stdout }, signal);
      return 0;
    }
    case 'call': {
      const { send } = await import('./send.ts');
      const call = JSON.parse(rest[0] ?? '{}') as Call;
      io.stdout.write(JSON.stringify(await send(call, proxyFrom(env), signal)) + '\n');
      return 0;
    }
    default:
      io.stdout.write(USAGE);
      return 2;
  }
}

async function runServer(args: readonly string[], io: TestappIo, control: string, signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'listen-address': { type: 'string', default: '0.0.0.0' },
      http: { type: 'string', default: '8080' },
      tcp: { type: 'string', default: '' },
      'tcp-first': { type: 'string', default: '' },
    },
  });
  const { env } = io;
  const [{ Receipts }, { serve }] = await Promise.all([import('./receipts.ts'), import('./serve.ts')]);
  const receipts = new Receipts();
  const serving = await serve({
    address: values['listen-address'],
    http: ports(values.http),
    tcp: ports(values.tcp),
    tcpFirst: ports(values['tcp-first']),
    receipts,
    self: {
      app: env['APP_NAME'] ?? 'testapp',
      version: env['APP_VERSION'] ?? '',
      namespace: env['POD_NAMESPACE'] ?? 'default',
      pod: env['POD_NAME'] ?? 'testapp',
    },
  });
  const answering = await serveReceipts(control, receipts);
  io.stdout.write(`listening on ${values['listen-address']} http ${serving.http} tcp ${serving.tcp}\n`);
  if (!signal.aborted) await once(signal, 'abort');
  answering.close();
  await serving.close();
}

function ports(text: string): number[] {
  return text.split(',').filter(Boolean).map(Number);
}
