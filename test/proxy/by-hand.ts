import { once } from 'node:events';
import http2 from 'node:http2';
import tls from 'node:tls';
import type { Credentials } from '../../src/mesh/credentials.ts';
import { APP_PORT, type Workload } from './mesh.ts';

/** Opens a tunnel by hand; gives back what the far end answers to one stream, or why there was none. */
export async function byHand(
  cart: Workload,
  credentials: Credentials | undefined,
  headers: http2.OutgoingHttpHeaders = { 'x-weft-destination': `${cart.address}:${APP_PORT}` },
  tlsOptions: tls.ConnectionOptions & { readonly localAddress?: string } = {},
): Promise<string> {
  const socket = tls.connect({
    host: cart.address,
    port: 15008,
    rejectUnauthorized: false,
    ALPNProtocols: ['weft/1'],
    ...(credentials && { cert: credentials.certificateChain, key: credentials.privateKey }),
    ...tlsOptions,
  });
  try {
    await once(socket, 'secureConnect');
  } catch (error) {
    return `handshake: ${(error as NodeJS.ErrnoException).code}`;
  }
  const session = http2.connect('http://cart', { createConnection: () => socket });
  session.on('error', () => {});
  try {
    const stream = session.request({ ':path': '/', ...headers });
    stream.on('error', () => {});
    const answer = await new Promise<http2.IncomingHttpHeaders | undefined>((resolve) => {
      stream.on('response', resolve);
      stream.on('close', () => resolve(undefined));
    });
    if (answer === undefined) return 'refused';
    return `${answer[':status']} ${String(answer['x-weft-reason'] ?? 'served')}`;
  } finally {
    session.destroy();
  }
}
