import { createServer } from 'node:net';

// The application behind every pair: answers each request head with the same small body, as cheaply as Node can.
// Prints its port. Ends when standard input closes, as every program of the bench does.
const body = 'hello world hello world hello world\n';
const reply = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
);

const server = createServer({ noDelay: true }, (socket) => {
  let rest = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    rest += chunk.toString('latin1');
    const heads = rest.split('\r\n\r\n');
    rest = heads.pop() ?? '';
    if (heads.length > 0) socket.write(heads.length === 1 ? reply : Buffer.concat(heads.map(() => reply)));
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(typeof address === 'object' && address !== null ? address.port : 0);
});
process.stdin.on('end', () => process.exit()).resume();
