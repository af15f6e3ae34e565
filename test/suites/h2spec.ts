import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { reportJunit } from './junit.ts';
import { startPair } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';
import { finished, goTool } from './tools.ts';
import { tunnelRelay } from './tunnel-relay.ts';

const H2SPEC = { path: 'github.com/summerwind/h2spec/cmd/h2spec', version: 'v2.2.1+incompatible' };
/** So many has this version in strict mode. */
const CASES = 146;

/** Our server half as others judge it: in plain text, where apps speak HTTP/2 to their sidecar, and inside of the tunnel. */
export const h2spec: Suite = {
  name: 'h2spec',
  title: 'RFC 9113 and 7541 against the h2c side and the tunnel (h2spec, all cases, strict)',
  known: {
    'h2c http2/3.5 Sends invalid connection preface':
      'bytes that are no HTTP are a TCP connection to this listener, and one that policy refuses is reset; h2spec counts only an orderly end',
  },
  async run(context) {
    const tool = await goTool(H2SPEC);
    if ('missing' in tool) return context.skip('h2spec', tool.missing);
    const appPort = await origin(context);
    const pair = await startPair(context, { appPort, protocol: 'http2' });
    const tunnel = await tunnelRelay(context, pair.tunnelPort, `127.0.0.1:${appPort}`);
    for (const [label, port] of [
      ['h2c', pair.port],
      ['tunnel', tunnel],
    ] as const) {
      const report = join(context.dir, `${label}.xml`);
      await finished(tool.file, ['-h', '127.0.0.1', '-p', String(port), '-S', '-o', '5', '-j', report]);
      const cases = reportJunit(context, report, label);
      if (cases !== CASES) context.fail(label, `h2spec reported ${cases} cases instead of ${CASES}`);
    }
  },
};

/** An app that speaks HTTP/2 and answers everything with a few bytes. */
async function origin(context: SuiteContext): Promise<number> {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    stream.resume();
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-type': 'text/plain' });
      stream.end('hello from behind two sidecars');
    });
  });
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  context.after(() => server.close());
  return (server.address() as AddressInfo).port;
}
