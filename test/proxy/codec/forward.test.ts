import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test, type TestContext } from 'node:test';
import {
  Metadata,
  Server as GrpcServer,
  ServerCredentials,
  credentials,
  makeGenericClientConstructor,
  status,
  type ClientDuplexStream,
  type ServiceDefinition,
  type ServerUnaryCall,
  type sendUnaryData,
  type ServerDuplexStream,
} from '@grpc/grpc-js';
import { WebSocket, WebSocketServer } from 'ws';
import { forwarder, portOf, type Forwarder } from './forwarder.ts';
import { overwriteLentMemory } from './lent-memory.ts';

overwriteLentMemory();

/** The ways from an app to an app: directly by HTTP/1, and over an HTTP/2 hop as in the mesh. */
const PATHS = { 'HTTP/1': ['http1'], 'HTTP/2 hop': ['http2', 'http1'] } as const;

async function chain(t: TestContext, port: number, hops: readonly ('http1' | 'http2')[]): Promise<Forwarder[]> {
  const made: Forwarder[] = [];
  for (const upstream of hops.toReversed()) {
    const next = await forwarder({ upstream, port: made[0]?.port ?? port });
    made.unshift(next);
    t.after(() => next.close());
  }
  return made;
}

async function app(t: TestContext, listener: http.RequestListener): Promise<http.Server> {
  const server = http.createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly trailers: NodeJS.Dict<string>;
  readonly body: string;
}

function ask(port: number, options: http.RequestOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: '127.0.0.1', ...options }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          trailers: response.trailers,
          body: Buffer.concat(parts).toString('latin1'),
        }),
      );
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

for (const [name, hops] of Object.entries(PATHS)) {
  test(`forward over ${name}: method, path, headers and body arrive, the answer comes back`, async (t) => {
    const server = await app(t, (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        response.setHeader(
          'x-seen',
          `${request.method} ${request.url} ${request.headers['x-a']} ${request.headers.host}`,
        );
        response.setHeader('set-cookie', ['a=1', 'b=2']);
        response.end(Buffer.concat(parts));
      });
    });
    const [first] = await chain(t, portOf(server), hops);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
      const body = method === 'POST' || method === 'PUT' ? 'x'.repeat(300_000) : '';
      const headers = { 'x-a': 'one  two', host: 'shop.example:8080' };
      const answer = await ask(first!.port, { method, path: '/p?q=1', agent, headers }, body);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-seen'], `${method} /p?q=1 one  two shop.example:8080`);
      assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
      assert.equal(answer.body, body);
    }
    assert.equal(first!.downstreams.size, 1, 'one connection served them all');
    assert.equal(first!.upstreams.size, 1);
  });

  test(`forward over ${name}: chunked bodies and trailers pass both ways`, async (t) => {
    const server = await app(t, (request, response) => {
      request.resume().on('end', () => {
        response.writeHead(200, { trailer: 'x-sum' });
        response.write('part one, ');
        response.write('part two');
        response.addTrailers({ 'x-sum': `seen ${request.trailers['x-up']}`, host: 'evil' });
        response.end();
      });
    });
    const [first] = await chain(t, portOf(server), hops);
    const answer = await new Promise<Answer>((resolve, reject) => {
      const request = http.request({ port: first!.port, method: 'POST', headers: { trailer: 'x-up' } }, (response) => {
        let body = '';
        response.on('data', (part: Buffer) => (body += part.toString()));
        response.on('end', () =>
          resolve({ status: 200, headers: response.headers, trailers: response.trailers, body }),
        );
      });
      request.on('error', reject);
      request.write('abc');
      request.addTrailers({ 'x-up': '42', 'content-length': '7' });
      request.end();
    });
    assert.equal(answer.body, 'part one, part two');
    assert.deepEqual({ ...answer.trailers }, { 'x-sum': 'seen 42' });
  });

  test(`forward over ${name}: 204, 304, HEAD and empty answers keep the connection in step`, async (t) => {
    const server = await app(t, (request, response) => {
      const code = Number(request.url?.slice(1));
      response.writeHead(code, code === 304 ? { 'content-length': '99', etag: '"a"' } : {});
      response.end();
    });
    const [first] = await chain(t, portOf(server), hops);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    for (const path of ['/204', '/304', '/200', '/204', '/404']) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await ask(first!.port, { path, method, agent });
        assert.equal(answer.status, Number(path.slice(1)));
        assert.equal(answer.body, '');
      }
    }
    assert.equal(first!.downstreams.size, 1);
  });

  test(`forward over ${name}: 100-continue and early hints are relayed`, async (t) => {
    const server = await app(t, (_request, response) => void response.end('never'));
    server.on('checkContinue', (request: http.IncomingMessage, response: http.ServerResponse) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeContinue();
      request.resume().on('end', () => response.end('thanks'));
    });
    const [first] = await chain(t, portOf(server), hops);
    const seen: string[] = [];
    const body = await new Promise<string>((resolve, reject) => {
      const request = http.request({ port: first!.port, method: 'POST', headers: { expect: '100-continue' } });
      request.on('information', (info) => seen.push(String(info.statusCode)));
      request.on('continue', () => {
        seen.push('continue');
        request.end('body');
      });
      request.on('response', (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.on('end', () => resolve(text));
      });
      request.on('error', reject);
      request.flushHeaders();
    });
    assert.equal(body, 'thanks');
    assert.deepEqual(seen, ['103', 'continue', '100']);
  });

  test(`forward over ${name}: an upstream that breaks off resets the client, one that cannot be reached answers`, async (t) => {
    const server = await app(t, (request, response) => {
      if (request.url === '/cut') {
        response.writeHead(200, { 'content-length': '100' });
        response.write('half');
        setImmediate(() => response.destroy());
      } else request.socket.destroy();
    });
    const [first] = await chain(t, portOf(server), hops);
    const dead = await ask(first!.port, { path: '/dead' });
    assert.equal(dead.status, 502);
    assert.equal(dead.headers['x-weft-reason'], 'UPSTREAM_RESET');
    await assert.rejects(ask(first!.port, { path: '/cut' }), /ECONNRESET|aborted/);
  });

  test(`forward over ${name}: a client that leaves is seen by the server`, async (t) => {
    const server = await app(t, (_request, response) => void response.write('x'));
    const gone = once(server, 'request').then(([request]) => once((request as http.IncomingMessage).socket, 'close'));
    const [first] = await chain(t, portOf(server), hops);
    const request = http.get({ port: first!.port });
    request.on('error', () => {});
    request.on('response', (response) => {
      response.on('error', () => {});
      response.once('data', () => request.socket?.resetAndDestroy());
    });
    await gone;
  });

  test(`forward over ${name}: WebSocket messages pass, and its close`, async (t) => {
    const server = await app(t, (_request, response) => void response.end());
    const sockets = new WebSocketServer({ server });
    t.after(() => sockets.close());
    sockets.on('connection', (socket, request) => {
      socket.send(`hello ${request.url}`);
      socket.on('message', (message: Buffer, binary) => socket.send(message, { binary }));
    });
    const [first] = await chain(t, portOf(server), hops);
    const client = new WebSocket(`ws://127.0.0.1:${first!.port}/chat`);
    const messages: string[] = [];
    const big = 'y'.repeat(500_000);
    client.on('message', (message: Buffer) => {
      messages.push(message.toString());
      if (messages.length === 1) client.send('one');
      if (messages.length === 2) client.send(big);
      if (messages.length === 3) client.close(4001, 'bye');
    });
    const [code] = (await once(client, 'close')) as [number];
    assert.deepEqual(messages, ['hello /chat', 'one', big]);
    assert.equal(code, 4001);
  });

  test(`forward over ${name}: a refused WebSocket gets the backend's answer, a fake 200 gets 502`, async (t) => {
    const server = await app(t, (_request, response) => void response.end());
    server.on('upgrade', (request: http.IncomingMessage, socket) => {
      const fake = request.url === '/fake';
      socket.end(`HTTP/1.1 ${fake ? '200 OK' : '403 Forbidden'}\r\ncontent-length: 2\r\n\r\nno`);
    });
    const [first] = await chain(t, portOf(server), hops);
    const ask = async (path: string): Promise<number> => {
      const client = new WebSocket(`ws://127.0.0.1:${first!.port}${path}`);
      client.on('error', () => {});
      const [, response] = (await once(client, 'unexpected-response')) as [unknown, http.IncomingMessage];
      response.resume();
      return response.statusCode ?? 0;
    };
    assert.equal(await ask('/no'), 403);
    assert.equal(await ask('/fake'), 502);
  });

  test(`forward over ${name}: a stalled reader stops the sender, both ways`, async (t) => {
    const total = 64 * 1024 * 1024;
    let written = 0;
    const server = await app(t, (request, response) => {
      if (request.method === 'POST') return; // never reads
      const piece = Buffer.alloc(64 * 1024);
      const more = (): void => {
        while (written < total) {
          written += piece.length;
          if (!response.write(piece)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const [first] = await chain(t, portOf(server), hops);
    const download = http.get({ port: first!.port });
    download.on('error', () => {});
    const [response] = (await once(download, 'response')) as [http.IncomingMessage];
    response.on('error', () => {});
    response.pause();
    assert.ok((await settled(() => written)) < 24 * 1024 * 1024, `the server wrote ${written} bytes to nobody`);
    download.destroy();
    const upload = http.request({ port: first!.port, method: 'POST' });
    upload.on('error', () => {});
    let sent = 0;
    const piece = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (sent < total) {
        sent += piece.length;
        if (!upload.write(piece)) return void upload.once('drain', more);
      }
    };
    more();
    assert.ok((await settled(() => sent)) < 24 * 1024 * 1024, `the client sent ${sent} bytes to nobody`);
    upload.destroy();
  });
}

/** The value once it has stood still for a while. */
async function settled(value: () => number): Promise<number> {
  for (let still = 0, last = -1; still < 4;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    still = value() === last ? still + 1 : 0;
    last = value();
  }
  return value();
}

const echo: ServiceDefinition = Object.fromEntries(
  (['Unary', 'Stream'] as const).map((name) => [
    name,
    {
      path: `/test.Echo/${name}`,
      requestStream: name === 'Stream',
      responseStream: name === 'Stream',
      requestSerialize: (value: string) => Buffer.from(value),
      requestDeserialize: (bytes: Buffer) => bytes.toString(),
      responseSerialize: (value: string) => Buffer.from(value),
      responseDeserialize: (bytes: Buffer) => bytes.toString(),
    },
  ]),
);

interface EchoClient {
  Unary(
    message: string,
    metadata: Metadata,
    done: (error: { code: number; details: string; metadata: Metadata } | null, reply: string) => void,
  ): {
    on(event: 'metadata' | 'status', listener: (value: never) => void): unknown;
  };
  Stream(): ClientDuplexStream<string, string>;
  close(): void;
}

async function grpc(t: TestContext): Promise<{ client: EchoClient; hops: Forwarder[] }> {
  const server = new GrpcServer({ 'grpc.max_receive_message_length': -1 });
  server.addService(echo, {
    Unary(call: ServerUnaryCall<string, string>, reply: sendUnaryData<string>) {
      const trailer = new Metadata();
      trailer.set('my-trailer', String(call.metadata.get('my-header')[0]));
      trailer.set('my-bin', Buffer.from([0, 255, 10]));
      if (call.request === 'fail') reply({ code: status.NOT_FOUND, details: 'no such thing', metadata: trailer });
      else reply(null, call.request, trailer);
    },
    Stream(call: ServerDuplexStream<string, string>) {
      call.on('data', (message: string) => call.write(message));
      call.on('end', () => call.end());
      call.on('error', () => {});
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  const hops = await chain(t, port, ['http2', 'http2']);
  const Client = makeGenericClientConstructor(echo, 'Echo');
  const client = new Client(`127.0.0.1:${hops[0]!.port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
  }) as unknown as EchoClient;
  t.after(() => {
    client.close();
    server.forceShutdown();
  });
  return { client, hops };
}

test('forward gRPC: unary calls carry metadata and trailers, errors keep their status', async (t) => {
  const { client } = await grpc(t);
  const metadata = new Metadata();
  metadata.set('my-header', 'abc');
  const call = (message: string): Promise<{ code: number; details: string; reply: string; trailer: Metadata }> =>
    new Promise((resolve) => {
      let reply = '';
      const running = client.Unary(message, metadata, (_error, value) => (reply = value));
      running.on('status', (end: { code: number; details: string; metadata: Metadata }) => {
        setImmediate(() => resolve({ code: end.code, details: end.details, reply, trailer: end.metadata }));
      });
    });
  const big = 'z'.repeat(3_000_000);
  for (const message of ['hi', big]) {
    const { code, details, reply, trailer } = await call(message);
    assert.equal(code, status.OK, details);
    assert.equal(reply, message);
    assert.deepEqual(trailer.get('my-trailer'), ['abc']);
    assert.deepEqual(trailer.get('my-bin'), [Buffer.from([0, 255, 10])]);
  }
  const missing = await call(''); // grpc-js takes it for no message at all: an answer of trailers only
  assert.equal(missing.code, status.UNIMPLEMENTED, missing.details);
  const failed = await call('fail');
  assert.equal(failed.code, status.NOT_FOUND);
  assert.deepEqual(failed.trailer.get('my-trailer'), ['abc']);
});

test('forward gRPC: 100 concurrent calls share the connections, bidirectional streams interleave', async (t) => {
  const { client, hops } = await grpc(t);
  const replies = await Promise.all(
    Array.from(
      { length: 100 },
      (_, i) =>
        new Promise<string>((resolve, reject) => {
          client.Unary(`m${i}`, new Metadata(), (error, reply) =>
            error === null ? resolve(reply) : reject(new Error(error.details)),
          );
        }),
    ),
  );
  assert.deepEqual(
    replies,
    Array.from({ length: 100 }, (_, i) => `m${i}`),
  );
  assert.equal(hops[1]!.downstreams.size, 1, 'one connection between the two forwarders');
  const stream = client.Stream();
  const seen: string[] = [];
  for (const message of ['a', 'b', 'c']) {
    stream.write(message);
    const [reply] = (await once(stream, 'data')) as [string];
    seen.push(reply);
  }
  stream.end();
  await once(stream, 'end');
  assert.deepEqual(seen, ['a', 'b', 'c']);
});

test('forward gRPC: a cancelled call is cancelled at the server', async (t) => {
  const { client, hops } = await grpc(t);
  const stream = client.Stream();
  stream.on('error', () => {});
  stream.write('a');
  await once(stream, 'data');
  stream.cancel();
  await new Promise((resolve) => stream.on('status', resolve));
  for (let i = 0; i < 100 && [...hops[1]!.upstreams].some((c) => c.active > 0); i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.deepEqual(
    [...hops[1]!.upstreams].map((c) => c.active),
    [0],
  );
});
