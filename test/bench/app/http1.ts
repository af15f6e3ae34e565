import type { Socket } from 'node:net';

/** Body by path; the first is also what every other path gets. */
export const BODIES: Readonly<Record<string, number>> = { '/': 36, '/1k': 1 << 10, '/64k': 1 << 16, '/1m': 1 << 20 };

const replies = new Map(Object.entries(BODIES).map(([path, bytes]) => [path, reply(bytes)]));
const HEAD_END = '\r\n\r\n';

function reply(bytes: number): Buffer {
  const body = 'hello world '.repeat(Math.ceil(bytes / 12)).slice(0, bytes);
  return Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bytes}\r\n\r\n${body}`);
}

/** Answers each request head with the body of its path; keeps the connection unless the request says otherwise. Of an upload it reads no more. */
export function answerHttp1(socket: Socket): void {
  let rest = '';
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    for (;;) {
      const end = rest.indexOf(HEAD_END);
      if (end < 0) return;
      const head = rest.slice(0, end);
      rest = rest.slice(end + HEAD_END.length);
      if (head.startsWith('POST ')) return void socket.pause();
      socket.write(replies.get(head.slice(4, head.indexOf(' ', 4))) ?? replies.get('/')!);
      if (/\r\nconnection: *close/i.test(head)) return void socket.end();
    }
  });
}
