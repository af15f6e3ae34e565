import http2 from 'node:http2';
import { once } from 'node:events';
import { dial, type Route } from './dial.ts';

/** Length-prefixed message of gRPC: flag byte, 4 bytes of length, payload. */
function frame(payload: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(payload.length, 1);
  return Buffer.concat([head, payload]);
}

/** Serves unary gRPC methods by path; the demo's messages are plain text. Resolves when it listens. */
export async function serveGrpc(
  host: string,
  port: number,
  methods: ReadonlyMap<string, (request: string) => Promise<string>>,
): Promise<http2.Http2Server> {
  const server = http2.createServer();
  server.on('sessionError', () => {}); // a client that goes away in the middle is its own affair
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => void answer());
    async function answer(): Promise<void> {
      const method = methods.get(headers[':path'] ?? '');
      let status = '0';
      let reply = '';
      try {
        if (method === undefined) {
          status = '12'; // UNIMPLEMENTED
        } else reply = await method(Buffer.concat(chunks).subarray(5).toString());
      } catch {
        status = '14'; // UNAVAILABLE
      }
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
      stream.end(status === '0' ? frame(Buffer.from(reply)) : undefined);
    }
  });
  server.listen(port, host);
  await once(server, 'listening');
  return server;
}

/** A gRPC client of one service that keeps one connection and dials again when it is gone. */
export class GrpcClient {
  readonly #host: string;
  readonly #port: number;
  readonly #route: Route;
  #session: Promise<http2.ClientHttp2Session> | undefined;

  constructor(host: string, port: number, route: Route) {
    this.#host = host;
    this.#port = port;
    this.#route = route;
  }

  /** Calls a unary method. @throws when the status is not OK or the connection fails */
  async call(path: string, request: string): Promise<string> {
    const session = await (this.#session ??= this.#connect());
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      ':authority': `${this.#host}:${this.#port}`,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let status: string | undefined;
    const note = (headers: http2.IncomingHttpHeaders) => {
      const value = headers['grpc-status'];
      if (typeof value === 'string') status = value;
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.end(frame(Buffer.from(request)));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    if (status !== '0') throw new Error(`${path}: grpc-status ${status ?? 'missing'}`);
    return Buffer.concat(chunks).subarray(5).toString();
  }

  async #connect(): Promise<http2.ClientHttp2Session> {
    try {
      const socket = await dial(this.#host, this.#port, this.#route);
      const session = http2.connect(`http://${this.#host}:${this.#port}`, { createConnection: () => socket });
      session.on('error', () => {});
      session.on('close', () => (this.#session = undefined));
      return session;
    } catch (error) {
      this.#session = undefined;
      throw error;
    }
  }
}
