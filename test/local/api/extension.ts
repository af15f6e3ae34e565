import { createServer } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { serverCertificate } from '../../../src/identity/server-certificate.ts';
import type { Body } from './serve.ts';

export interface Extension {
  readonly port: number;
  /** For `caBundle`. */
  readonly caBundle: string;
  readonly url: string;
}

/** An HTTPS server that answers JSON with JSON: a webhook, or an extension API server. `undefined` hangs. */
export async function extension(
  t: TestContext,
  answer: (body: Body, request: IncomingMessage) => unknown,
  hosts: readonly string[] = ['127.0.0.1'],
): Promise<Extension> {
  const tls = serverCertificate({ clock: systemClock, hosts });
  const server = createServer({ key: tls.privateKey, cert: tls.certificate }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const result = answer((text === '' ? {} : JSON.parse(text)) as Body, request);
      if (result === undefined) return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(result));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, caBundle: Buffer.from(tls.ca).toString('base64'), url: `https://127.0.0.1:${port}` };
}
