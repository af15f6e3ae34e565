import type { Socket } from 'node:net';

const bytes = Buffer.alloc(256 * 1024, 'x');

/** Sends without end once it is asked to, as fast as they are taken. */
export function sendBytes(socket: Socket): void {
  const send = () => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.once('data', send);
  socket.on('drain', send);
}
