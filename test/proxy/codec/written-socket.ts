import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import type { TestContext } from 'node:test';
import { portOf } from './forwarder.ts';

/** A socket whose peer reads all, and what is written to it, call by call. */
export async function socketTo(t: TestContext): Promise<{ socket: Socket; writes: string[] }> {
  const server = createServer((peer) => peer.resume());
  return written(t, server, (port) => connect(port, '127.0.0.1'), 'connect');
}

/** The same, encrypted. */
export async function securedTo(t: TestContext): Promise<{ socket: Socket; writes: string[] }> {
  const psk = Buffer.alloc(16, 7);
  const shared = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
  const server = tls.createServer({ ...shared, pskCallback: () => psk }, (peer) => peer.resume());
  const dial = (port: number) =>
    tls.connect({ ...shared, port, pskCallback: () => ({ psk, identity: 'x' }), checkServerIdentity: () => undefined });
  return written(t, server, dial, 'secureConnect');
}

async function written(t: TestContext, server: Server, dial: (port: number) => Socket, ready: string) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = dial(portOf(server));
  t.after(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, ready);
  const writes: string[] = [];
  const write = socket.write.bind(socket);
  socket.write = (bytes: string | Uint8Array) => {
    writes.push(bytes.toString());
    return write(bytes);
  };
  return { socket, writes };
}

/** Node's ticks, and not yet the next turn of the event loop. */
export const ticks = () => new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
