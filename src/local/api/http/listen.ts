import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../../base/log.ts';

export interface Door {
  readonly url: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Opens an HTTPS server. @throws when the address cannot be had */
export async function listenHttps(
  tls: { readonly certificate: string; readonly privateKey: string },
  { host, port }: { host: string; port: number },
  handler: (request: IncomingMessage, response: ServerResponse) => void,
  upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void,
  log: Logger,
): Promise<Door> {
  // Watches stay open without a byte for minutes, so there is no request timeout; headers have to come in time.
  const server = createServer(
    { cert: tls.certificate, key: tls.privateKey, minVersion: 'TLSv1.2', requestTimeout: 0, headersTimeout: 20_000 },
    handler,
  );
  server.keepAliveTimeout = 125_000; // longer than clients keep idle connections (Go: 90 s), so that none is cut under a request
  server.on('upgrade', upgrade);
  server.on('clientError', (_error, socket) => socket.destroy());
  server.on('tlsClientError', (error) => log.debug('TLS handshake failed', { error: error.message }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      server.on('error', (error) => log.error('API server socket failed', { error: error.message }));
      resolve();
    });
  });
  const { port: actual } = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  return {
    url: `https://${shown}:${actual}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
