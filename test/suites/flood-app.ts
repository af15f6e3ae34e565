import http from 'node:http';
import http2 from 'node:http2';
import { createServer, type AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';

// The app behind the pair while it is flooded; speaks HTTP/1.1 and HTTP/2 on one port and prints that.
//   /fast   answers at once          /slow   never answers          /big   64 MB, as fast as they are taken
//   /state  how many requests are open and how many were cancelled  others: answer when the whole body has come
const PIECE = Buffer.alloc(64 * 1024, 'x');
const BIG = 64 * 1024 * 1024;
let open = 0;
let cancelled = 0;
let seen = 0;

/** What both framings' objects have in common. */
type Request = Readable & { readonly url?: string | undefined };
type Response = Writable & { writeHead(status: number, headers: Record<string, string | number>): unknown };

function serve(request: Request, response: Response): void {
  seen++;
  open++;
  request.on('error', () => {});
  response.on('error', () => {});
  response.on('close', () => {
    open--;
    if (!response.writableFinished) cancelled++;
  });
  const answer = (text: string) => {
    if (response.destroyed || response.writableEnded) return;
    response.writeHead(200, { 'content-type': 'text/plain', 'content-length': text.length });
    response.end(text);
  };
  if (request.url === '/slow') return void request.resume();
  if (request.url === '/fast') return answer('ok');
  if (request.url === '/state') return answer(JSON.stringify({ open: open - 1, cancelled, seen }));
  if (request.url === '/big') return big(response);
  request.resume().on('end', () => answer('whole'));
}

function big(response: Response): void {
  let left = BIG;
  response.writeHead(200, { 'content-length': BIG });
  const more = () => {
    while (left > 0 && !response.destroyed) {
      left -= PIECE.length;
      if (!response.write(PIECE)) return;
    }
    if (left <= 0) response.end();
  };
  response.on('drain', more);
  more();
}

const http1 = http.createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000 }, serve);
const h2 = http2.createServer(serve);
h2.on('sessionError', () => {});
const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (first: Buffer) => {
    socket.pause();
    socket.unshift(first);
    (first.toString('latin1', 0, 3) === 'PRI' ? h2 : http1).emit('connection', socket);
    process.nextTick(() => socket.resume());
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
process.stdin.on('end', () => process.exit()).resume();
