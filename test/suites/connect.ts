import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Suite, SuiteContext } from './suite.ts';
import { finished, goTools } from './tools.ts';

const VERSION = 'v1.0.5';
const GO = ['connectconformance', 'referenceserver'].map((name) => `connectrpc.com/conformance/cmd/${name}`);
const SERVER = resolve(import.meta.dirname, 'connect-server.ts');

/** What goes through the mesh in plain text, as framed messages and streams. */
const PLAIN = `
features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO, CODEC_JSON]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  supportsH2c: true
  supportsTls: false
  supportsHalfDuplexBidiOverHttp1: true
`;

/** What the app encrypts itself is bytes to the mesh: a smaller choice, for the raw TCP path. */
const ENCRYPTED = `
features:
  versions: [HTTP_VERSION_1, HTTP_VERSION_2]
  protocols: [PROTOCOL_CONNECT, PROTOCOL_GRPC, PROTOCOL_GRPC_WEB]
  codecs: [CODEC_PROTO]
  compressions: [COMPRESSION_IDENTITY]
  supportsH2c: false
  supportsTls: true
  supportsTlsClientCerts: true
  supportsMessageReceiveLimit: false
  supportsHalfDuplexBidiOverHttp1: true
`;

/** The protocol conformance of Connect, gRPC and gRPC-Web: its reference client calls its reference server through a pair. */
export const connect: Suite = {
  name: 'connect',
  title: 'Connect, gRPC and gRPC-Web between the reference implementations of connectrpc, through a pair',
  async run(context) {
    const tools = await goTools(GO, VERSION);
    if ('missing' in tools) return context.skip('connect', tools.missing);
    const [runner = '', server = ''] = tools.files;
    if (context.wants('plain')) await judge(context, 'plain', PLAIN, runner, server);
    if (context.wants('encrypted')) await judge(context, 'encrypted', ENCRYPTED, runner, server);
  },
};

async function judge(context: SuiteContext, label: string, config: string, runner: string, server: string) {
  const file = join(context.dir, `${label}.yaml`);
  writeFileSync(file, config);
  // One server after the other: each comes with two sidecars, and the cases have deadlines of 200 ms
  const options = ['--conf', file, '--mode', 'server', '--max-servers', '1', '--parallel', '4', '-v'];
  const out = await finished(runner, [...options, '--', process.execPath, SERVER, server], { timeoutMs: 900_000 });
  for (const [, name = '', why = ''] of out.matchAll(/^FAILED: (.*?):\n((?:\t.*\n?)*)/gm)) {
    context.fail(`${label} ${name}`, why.trim());
  }
  const [, cases] = /^Total cases: (\d+)$/m.exec(out) ?? [];
  const [, passed, failed] = /^(\d+) passed, (\d+) failed/m.exec(out) ?? [];
  if (cases === undefined || passed === undefined) return context.fail(label, `no verdict:\n${out.slice(-2000)}`);
  context.passed += Number(passed);
  context.note(`${label}: ${passed} of ${cases}`);
  const told = context.failed + context.skipped;
  if (Number(failed) > told) context.fail(label, `${failed} failed, of which ${told} are named:\n${out.slice(-2000)}`);
}
