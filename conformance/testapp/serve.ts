import type { IncomingMessage, Server as HttpServer } from 'node:http';
import type { Http2Server } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { WebSocketServer } from 'ws';
import { http as nodeHttp } from './node-http.ts';
import { grpcMessage, idInBytes, SERVED_BY, TEST_ID, type Receipt, type ServedBy } from './protocol.ts';
import type { Receipts } from './receipts.ts';

export interface ServeOptions {
  readonly address: string;
  /** Ports that speak HTTP/1.1, HTTP/2 with prior knowledge, gRPC and WebSocket, told apart by their first bytes. */
  readonly http: readonly number[];
  /** Ports that answer the first bytes with who they are and echo everything. */
  readonly tcp: readonly number[];
  /** The same, but they say who they are before the client says anything. */
  readonly tcpFirst: readonly number[];
  readonly self: ServedBy;
  readonly receipts: Receipts;
}

export interface Serving {
  /** The ports really listened on, in the order asked for (port 0 lets the system choose). */
  readonly http: readonly number[];
  readonly tcp: readonly number[];
  readonly tcpFirst: readonly number[];
  close(): Promise<void>;
}

/** Opens every port, then resolves. Who answered stands in the reply header `x-test-served-by`. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const open = new Set<Socket>();
  const servers: Server[] = [];
  const listen = async (ports: readonly number[], handler: (socket: Socket, port: number) => void) => {
    const chosen: number[] = [];
    for (const port of ports) {
      const server = createServer({ noDelay: true }, (socket) => {
        open.add(socket);
        socket.on('close', () => open.delete(socket));
        socket.on('error', () => socket.destroy()); // a peer that resets is what some cases are about
        handler(socket, (server.address() as { port: number }).port);
      });
      server.listen(port, options.address);
      await once(server, 'listening');
      servers.push(server);
      chosen.push((server.address() as { port: number }).port);
    }
    return chosen;
  };
  const http = http1(options);
  let http2: Http2Server | undefined; // made for who speaks it: few do, and its code is half of what a server would load
  const toHttp2 = (socket: Socket) => (http2 ??= h2c(options)).emit('connection', socket);
  return {
    http: await listen(options.http, (socket, port) => detect(socket, port, http, toHttp2, options.receipts)),
    tcp: await listen(options.tcp, (socket, port) => echo(socket, port, 'tcp', options)),
    tcpFirst: await listen(options.tcpFirst, (socket, port) => echo(socket, port, 'tcp-first', options)),
    async close() {
      for (const server of servers) server.close();
      for (const socket of open) socket.destroy();
      await Promise.all(servers.map((server) => (server.listening ? once(server, 'close') : undefined)));
    },
  };
}

/** Hands a connection to the HTTP version that its first bytes speak, and notes bytes that are no HTTP at all. */
function detect(
  socket: Socket,
  port: number,
  http: HttpServer,
  toHttp2: (socket: Socket) => void,
  receipts: Receipts,
): void {
  socket.once('data', (chunk: Buffer) => {
    const text = chunk.toString('latin1');
    socket.pause();
    socket.unshift(chunk);
    if (text.startsWith('PRI * HTTP/2')) toHttp2(socket);
    else if (/^[A-Z]+ [^\r\n]*HTTP\/1/.test(text)) {
      http.emit('connection', socket);
      socket.resume();
    } else {
      receipts.add(idInBytes(text) ?? '', { port, protocol: 'bytes', bytes: text.slice(0, 200) });
      socket.end('not HTTP\n');
    }
  });
}

function http1({ self, receipts }: ServeOptions): HttpServer {
  const served = JSON.stringify(self);
  const note = (request: IncomingMessage, protocol: string) => {
    receipts.add(String(request.headers[TEST_ID] ?? ''), {
      port: request.socket.localPort ?? 0,
      protocol,
      method: request.method ?? '',
      path: request.url ?? '',
      headers: pairs(request.rawHeaders),
    });
  };
  const server = nodeHttp.createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    note(request, 'http1');
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json', [SERVED_BY]: served }).end(served + '\n');
  });
  let websockets: Promise<WebSocketServer> | undefined;
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    note(request, 'websocket');
    websockets ??= websocketServer(served);
    void websockets.then((accepting) =>
      accepting.handleUpgrade(request, socket, head, (websocket) => {
        websocket.on('error', () => websocket.terminate());
        websocket.on('message', (message: Buffer, binary) => websocket.send(message, { binary }));
      }),
    );
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    note(request, 'http1');
    socket.end(`HTTP/1.1 501 Not Implemented\r\n${SERVED_BY}: ${served}\r\nContent-Length: 0\r\n\r\n`);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

/** Loaded for the first that asks. */
async function websocketServer(served: string): Promise<WebSocketServer> {
  const { WebSocketServer: Server } = await import('ws');
  const websockets = new Server({ noServer: true });
  websockets.on('headers', (headers) => headers.push(`${SERVED_BY}: ${served}`));
  return websockets;
}

/** HTTP/2 with prior knowledge; `content-type: application/grpc` gets one message and a trailer with status 0. */
function h2c({ self, receipts }: ServeOptions): Http2Server {
  const served = JSON.stringify(self);
  const server = process.getBuiltinModule('node:http2').createServer();
  server.on('sessionError', () => undefined); // the session is gone already
  server.on('stream', (stream, headers, _flags, raw) => {
    stream.on('error', () => undefined); // reset by the peer
    const grpc = String(headers['content-type'] ?? '').startsWith('application/grpc');
    receipts.add(String(headers[TEST_ID] ?? ''), {
      port: stream.session?.socket.localPort ?? 0,
      protocol: grpc ? 'grpc' : 'http2',
      method: headers[':method'] ?? '',
      path: headers[':path'] ?? '',
      headers: pairs(raw as unknown as string[]),
    });
    stream.resume();
    if (!grpc) {
      stream.respond({ ':status': 200, 'content-type': 'application/json', [SERVED_BY]: served });
      stream.end(headers[':method'] === 'HEAD' ? undefined : served + '\n');
      return;
    }
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', [SERVED_BY]: served },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(grpcMessage(Buffer.from(served)));
  });
  return server;
}

function echo(socket: Socket, port: number, protocol: 'tcp' | 'tcp-first', { self, receipts }: ServeOptions): void {
  const served = JSON.stringify(self) + '\n';
  if (protocol === 'tcp-first') socket.write(served);
  socket.once('data', (chunk: Buffer) => {
    const bytes = chunk.toString('latin1');
    const receipt: Receipt = { port, protocol, bytes: bytes.slice(0, 200) };
    receipts.add(idInBytes(bytes) ?? '', receipt);
    if (protocol === 'tcp') socket.write(served);
    socket.write(chunk);
    socket.pipe(socket);
  });
}

function pairs(flat: readonly string[]): [string, string][] {
  const result: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) result.push([(flat[i] ?? '').toLowerCase(), flat[i + 1] ?? '']);
  return result;
}
