import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { http2Client } from '../../../src/proxy/codec/http2-client.ts';
import { http2Server, type Http2ServerOptions } from '../../../src/proxy/codec/http2-server.ts';
import { deaf } from '../../../src/proxy/codec/http1-server-stream.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type {
  ClientConnection,
  ClientStreamEvents,
  RequestHandler,
  RequestHead,
  ServerConnection,
  ServerStream,
} from '../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import { ProxyError } from '../../../src/proxy/error.ts';
import { forwarder, portOf } from './forwarder.ts';
import { overwriteLentMemory } from './lent-memory.ts';
import { plainRequest } from './plain-request.ts';

overwriteLentMemory();

const limits = defaultLimits;

async function listen(t: TestContext, onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    t.after(() => socket.destroy());
    onSocket(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return portOf(server);
}

/** Our server, with a client of node:http2 (which sends what it is told). */
async function served(
  t: TestContext,
  handler: RequestHandler,
  options: Partial<Http2ServerOptions> = {},
): Promise<{ session: http2.ClientHttp2Session; connection: Promise<ServerConnection> }> {
  const timers = new TimerWheel(10);
  const made = Promise.withResolvers<ServerConnection>();
  const port = await listen(t, (socket) => made.resolve(http2Server(socket, { handler, limits, timers, ...options })));
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  return { session, connection: made.promise };
}

/** Our client on our server. */
async function pair(
  t: TestContext,
  handler: RequestHandler,
  options: Partial<Http2ServerOptions> = {},
): Promise<{ client: ClientConnection; server: Promise<ServerConnection> }> {
  const timers = new TimerWheel(10);
  const made = Promise.withResolvers<ServerConnection>();
  const port = await listen(t, (socket) => made.resolve(http2Server(socket, { handler, limits, timers, ...options })));
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const client = http2Client(socket, { limits, timers });
  t.after(() => client.destroy());
  return { client, server: made.promise };
}

function head(more: Partial<RequestHead> = {}): RequestHead {
  return plainRequest('2', more);
}

interface Listener {
  readonly events: ClientStreamEvents;
  readonly log: string[];
  readonly over: Promise<void>;
}

function listener(): Listener {
  const log: string[] = [];
  const over = Promise.withResolvers<void>();
  return {
    log,
    over: over.promise,
    events: {
      onInformational: (h) => log.push(`~${h.status}`),
      onHead: (h) => log.push(`${h.status}`),
      onData: (c) => log.push(c.toString('latin1')),
      onEnd: (trailers) =>
        void over.resolve(void log.push(trailers === undefined ? 'end' : `end ${trailers.join(' ')}`)),
      onError: (e) => void over.resolve(void log.push(e.code)),
      onWritable: () => {},
    },
  };
}

const ok: RequestHandler = (_head, stream) => {
  stream.events = deaf;
  stream.sendHead({ status: 204, headers: [], contentLength: 0 });
  stream.sendEnd();
};

const bad: readonly (readonly [string, Record<string, string>, number])[] = [
  ['a request that is fine', {}, 204],
  ['Host that agrees', { host: 'shop' }, 204],
  ['Host that agrees but for the default port', { host: 'SHOP:80' }, 204],
  ['Host that differs from :authority', { host: 'other' }, 400],
  [':authority with user information', { ':authority': 'me@shop' }, 400],
  [':authority with a path', { ':authority': 'shop/x' }, 400],
  [':authority empty', { ':authority': '' }, 400],
  [':path without a slash', { ':path': 'x' }, 400],
  [':path with a fragment', { ':path': '/x#y' }, 400],
  [':path with raw bytes above ASCII', { ':path': '/\xe9' }, 400],
  [':path * on GET', { ':path': '*' }, 400],
  [':path of 20,000 bytes', { ':path': `/${'x'.repeat(20_000)}` }, 414],
  [':method with a space', { ':method': 'GE T' }, 400],
  [':scheme of another kind', { ':scheme': 'ftp' }, 400],
  ['content-length that is no number', { 'content-length': '+1' }, 400],
  ['content-length without a body', { 'content-length': '5' }, 400],
  ['an unknown expectation', { expect: 'x' }, 417],
];

for (const [name, fields, expected] of bad) {
  test(`http2 server: ${name} gets ${expected}`, async (t) => {
    const { session } = await served(t, ok);
    const all = { ':method': 'GET', ':path': '/', ':scheme': 'http', ':authority': 'shop', ...fields };
    const stream = session.request(all, { endStream: true });
    stream.on('error', () => {});
    const seen = await new Promise((resolve) => {
      stream.on('response', (answer) => resolve(answer[':status']));
      stream.on('close', () => resolve('reset'));
    });
    assert.equal(seen, expected);
  });
}

test('http2 server: cookie crumbs are one field for everybody else', async (t) => {
  let headers: readonly string[] = [];
  const { session } = await served(t, (request, stream) => {
    headers = request.headers;
    ok(request, stream);
  });
  const stream = session.request({ ':path': '/', cookie: ['a=1', 'b=2'], 'x-a': ['1', '2'] });
  stream.resume();
  await once(stream, 'response');
  assert.deepEqual(headers, ['cookie', 'a=1; b=2', 'x-a', '1', 'x-a', '2']);
});

test('http2 server: CONNECT is 405 unless it is allowed, then a tunnel that half-closes each way', async (t) => {
  const tunnel: RequestHandler = (request, stream) => {
    assert.deepEqual([request.method, request.destination, request.path], ['CONNECT', 'db:5432', '']);
    stream.events = {
      ...deaf,
      onData: (chunk) => void stream.sendData(chunk),
      onEnd() {
        stream.sendData(Buffer.from('bye'));
        stream.sendEnd();
      },
    };
    stream.sendHead({ status: 200, headers: [], contentLength: -1 });
  };
  const refused = await served(t, tunnel);
  const no = refused.session.request({ ':method': 'CONNECT', ':authority': 'db:5432' });
  const [answer] = (await once(no, 'response')) as [http2.IncomingHttpHeaders];
  assert.equal(answer[':status'], 405);
  const { client } = await pair(t, tunnel, { connect: true });
  const { events, log, over } = listener();
  const stream = client.open(head({ method: 'CONNECT', authority: 'db:5432', path: '' }), false, events);
  stream.sendData(Buffer.from('ping'));
  while (!log.includes('ping')) await sleep(1);
  stream.sendEnd();
  await over;
  assert.deepEqual(log, ['200', 'ping', 'bye', 'end']);
  while (client.active > 0) await sleep(1);
});

test('http2: extended CONNECT opened before the SETTINGS have come waits for them', async (t) => {
  const { client } = await pair(t, (request, stream) => {
    assert.deepEqual([request.method, request.protocol, request.path], ['GET', 'websocket', '/chat']);
    stream.events = { ...deaf, onData: (chunk) => void stream.sendData(chunk), onEnd: () => stream.sendEnd() };
    stream.sendHead({ status: 200, headers: [], contentLength: -1 });
  });
  const { events, log, over } = listener();
  const stream = client.open(head({ path: '/chat', protocol: 'websocket' }), false, events);
  stream.sendData(Buffer.from('frame'));
  stream.sendEnd();
  await over;
  assert.deepEqual(log, ['200', 'frame', 'end']);
});

test('http2: a server without extended CONNECT fails the tunnel, not the connection', async (t) => {
  const server = http2.createServer((_request, response) => void response.end('plain'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const client = http2Client(connect(portOf(server), '127.0.0.1'), { limits, timers: new TimerWheel() });
  t.after(() => client.destroy());
  const tunnel = listener();
  client.open(head({ protocol: 'websocket' }), false, tunnel.events);
  await tunnel.over;
  assert.deepEqual(tunnel.log, ['UPSTREAM_PROTOCOL']);
  const plain = listener();
  client.open(head(), true, plain.events);
  await plain.over;
  assert.deepEqual(plain.log, ['200', 'plain', 'end']);
});

test('http2: resets are mapped both ways, a refused stream may be tried again', async (t) => {
  const heard = Promise.withResolvers<string>();
  const { client } = await pair(t, (request, stream) => {
    stream.events = { ...deaf, onError: (error) => heard.resolve(error.code) };
    if (request.path === '/broken') stream.reset(new ProxyError('UPSTREAM_RESET', 'x'));
    if (request.path === '/busy') stream.reset(new ProxyError('OVERLOADED', 'x'));
    if (request.path === '/strange') stream.reset(new ProxyError('UPSTREAM_PROTOCOL', 'x'));
  });
  for (const [path, code] of [
    ['/broken', 'UPSTREAM_RESET'],
    ['/busy', 'CONNECT_FAILED'],
    ['/strange', 'UPSTREAM_PROTOCOL'],
  ] as const) {
    const { events, log, over } = listener();
    client.open(head({ path }), true, events);
    await over;
    assert.deepEqual(log, [code]);
  }
  const { events } = listener();
  const stream = client.open(head({ path: '/wait', contentLength: -1 }), false, events);
  await sleep(20);
  stream.reset(new ProxyError('DOWNSTREAM_RESET', 'x'));
  assert.equal(await heard.promise, 'DOWNSTREAM_RESET');
});

test('http2: a lost connection ends every stream and says so to the pool', async (t) => {
  const { client, server } = await pair(t, (_request, stream) => (stream.events = deaf));
  let changes = 0;
  client.onChange = () => changes++;
  const streams = Array.from({ length: 5 }, listener);
  for (const { events } of streams) client.open(head(), true, events);
  assert.equal(client.active, 5);
  await sleep(20);
  (await server).destroy();
  await Promise.all(streams.map((s) => s.over));
  for (const { log } of streams) assert.deepEqual(log, ['UPSTREAM_RESET']);
  assert.deepEqual([client.gone, client.capacity(), client.active], [true, 0, 0]);
  assert.ok(changes > 0);
});

test('http2: drain of the server lets running streams finish and takes no new ones', async (t) => {
  let running: ServerStream | undefined;
  const { client, server } = await pair(t, (_request, stream) => {
    stream.events = deaf;
    running = stream;
  });
  const first = listener();
  client.open(head(), true, first.events);
  while (running === undefined) await sleep(1);
  (await server).drain();
  while (!client.gone) await sleep(1);
  assert.equal(client.capacity(), 0);
  running.sendHead({ status: 200, headers: [], contentLength: 2 });
  running.sendData(Buffer.from('ok'));
  running.sendEnd();
  await first.over;
  assert.deepEqual(first.log, ['200', 'ok', 'end']);
  await (
    await server
  ).closed;
});

test('http2: the peer’s limit of concurrent streams is the capacity', async (t) => {
  const { client } = await pair(t, (_request, stream) => (stream.events = deaf), {
    settings: { maxConcurrentStreams: 3 },
  });
  while (client.capacity() > 3) await sleep(1);
  const streams = Array.from({ length: 3 }, () => client.open(head(), true, listener().events));
  assert.equal(client.capacity(), 0);
  streams[0]!.reset(new ProxyError('DOWNSTREAM_RESET', 'x'));
  while (client.capacity() === 0) await sleep(1);
  assert.equal(client.capacity(), 1);
});

test('http2: bodies of a wrong length are reset, on the way out and on the way in', async (t) => {
  const { client } = await pair(t, (_request, stream) => {
    stream.events = deaf;
    stream.sendHead({ status: 200, headers: [], contentLength: 4 });
    stream.sendData(Buffer.from('ab'));
    stream.sendEnd();
  });
  const short = listener();
  client.open(head(), true, short.events);
  await short.over;
  assert.match(short.log.at(-1) ?? '', /^UPSTREAM_/); // by our reset, or by nghttp2's count
  const long = listener();
  const stream = client.open(head({ method: 'POST', contentLength: 2 }), false, long.events);
  stream.sendData(Buffer.from('abc'));
  await long.over;
  assert.equal(long.log.at(-1), 'INTERNAL');
});

test('http2 server: first bytes read by whoever detected the protocol are not lost, however many they are', async () => {
  for (const size of [24, 40, 400]) {
    const proxy = await forwarder({ upstream: 'http1', port: 1 });
    const session = http2.connect(`http://127.0.0.1:${proxy.port}`);
    session.on('error', () => {});
    const stream = session.request({ ':path': `/${'x'.repeat(size)}` });
    const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    assert.equal(answer['x-weft-reason'], 'UPSTREAM_RESET');
    session.destroy();
    await proxy.close();
  }
});

test('http2 server: a rapid reset flood ends its connection, another is served', async (t) => {
  let handled = 0;
  const { session } = await served(t, (_request, stream) => {
    handled++;
    stream.events = deaf;
  });
  const gone = new Promise<void>((resolve) => session.once('close', () => resolve()));
  for (let i = 0; i < 60 && !session.destroyed; i++) {
    for (let j = 0; j < 100 && !session.destroyed; j++) {
      const stream = session.request({ ':path': '/' });
      stream.on('error', () => {});
      stream.close(http2.constants.NGHTTP2_CANCEL);
    }
    await sleep(2);
  }
  await gone;
  assert.ok(handled < 6000, `${handled} requests were handled`);
});

test('http2 server: a connection that says nothing, or nothing more, is closed at its deadline', async (t) => {
  const timers = new TimerWheel(10);
  const port = await listen(
    t,
    (socket) =>
      void http2Server(socket, { handler: ok, timers, limits: { ...limits, headTimeoutMs: 40, idleTimeoutMs: 60 } }),
  );
  const mute = connect(port, '127.0.0.1');
  mute.on('error', () => {});
  mute.resume();
  await once(mute, 'close');
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request({ ':path': '/' });
  stream.resume();
  await once(stream, 'close');
  await once(session, 'close');
});
