import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

/** How this process reaches others: straight, or through the proxy that its environment names (`http://host:port`). */
export interface Route {
  readonly proxy: string | undefined;
}

/**
 * Opens a TCP connection to `host:port`, through CONNECT when there is a proxy (RFC 9110 9.3.6).
 * @throws when the connection or the tunnel is refused; the message carries the proxy's status line
 */
export async function dial(host: string, port: number, { proxy }: Route): Promise<Socket> {
  if (proxy === undefined) {
    const socket = connect({ host, port });
    await once(socket, 'connect');
    return socket;
  }
  const via = new URL(proxy);
  const socket = connect({ host: via.hostname, port: Number(via.port) });
  await once(socket, 'connect');
  socket.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
  const [statusLine, rest] = await readHead(socket);
  if (!/^HTTP\/1\.1 2\d\d/.test(statusLine)) {
    socket.destroy();
    throw new Error(`tunnel to ${host}:${port} refused: ${statusLine}`);
  }
  if (rest.length > 0) socket.unshift(rest);
  return socket;
}

/** Reads up to the empty line; returns the first line and what came after the head. */
async function readHead(socket: Socket): Promise<readonly [string, Buffer]> {
  let seen = Buffer.alloc(0);
  for (;;) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    socket.pause();
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf('\r\n\r\n');
    if (end >= 0) return [seen.toString('latin1', 0, seen.indexOf('\r\n')), seen.subarray(end + 4)];
    if (seen.length > 16_384) throw new Error('the proxy answered with more than 16 KB of head');
    socket.resume();
  }
}
