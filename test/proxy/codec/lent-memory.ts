import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before } from 'node:test';
import { SocketReader } from '../../../src/proxy/codec/socket-reader.ts';
import { portOf } from './forwarder.ts';

/**
 * For the tests of this file: in every turn of the event loop the memory that sockets are read into is overwritten, so that whoever
 * keeps what was only lent is found out.
 */
export function overwriteLentMemory(): void {
  let stopped = false;
  before(async () => {
    const memory = await lentMemory();
    function overwrite(): void {
      memory.fill(0xdd);
      if (!stopped) setImmediate(overwrite);
    }
    overwrite();
  });
  after(() => void (stopped = true));
}

/** All of it, found by way of a piece. */
async function lentMemory(): Promise<Uint8Array> {
  const server = createServer((socket) => socket.end('x')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect(portOf(server), '127.0.0.1');
  const piece = await new Promise<Buffer>((resolve) => {
    new SocketReader(socket, resolve);
  });
  socket.destroy();
  server.close();
  return new Uint8Array(piece.buffer);
}
