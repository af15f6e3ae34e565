import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { http1Client } from '../../../src/proxy/codec/http1-client.ts';
import { http1Server } from '../../../src/proxy/codec/http1-server.ts';
import { deaf } from '../../../src/proxy/codec/http1-server-stream.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type {
  ClientStreamEvents,
  CodecLimits,
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

interface Served {
  readonly client: Socket;
  readonly connection: ServerConnection;
  /** All that the client has received. */
  text(): string;
  /** Waits until the received text matches. */
  until(pattern: RegExp): Promise<string>;
}

/** A real socket whose other end http1Server serves. */
async function serve(
  t: TestContext,
  handler: RequestHandler,
  options: { limits?: Partial<CodecLimits>; explicitProxy?: boolean } = {},
): Promise<Served> {
  const timers = new TimerWheel(10);
  const accepted = Promise.withResolvers<ServerConnection>();
  const server = createServer({ allowHalfOpen: true }, (socket) =>
    accepted.resolve(
      http1Server(socket, {
        handler,
        timers,
        limits: { ...defaultLimits, ...options.limits },
        explicitProxy: options.explicitProxy ?? false,
      }),
    ),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(portOf(server), '127.0.0.1');
  client.on('error', () => {});
  let received = '';
  client.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')));
  const connection = await accepted.promise;
  t.after(() => {
    client.destroy();
    connection.destroy();
    server.close();
    timers.stop();
  });
  const until = async (pattern: RegExp): Promise<string> => {
    for (let i = 0; i < 400 && !pattern.test(received); i++) await sleep(5);
    assert.match(received, pattern);
    return received;
  };
  return { client, connection, text: () => received, until };
}

/** Resolves when a socket is closed, well or with an error. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => void (socket.closed ? resolve() : socket.once('close', () => resolve())));
}

/** Answers each request with its body, when it is complete. */
const echo: RequestHandler = (_head, stream) => {
  const parts: Buffer[] = [];
  stream.events = {
    ...deaf,
    onData: (chunk) => parts.push(chunk),
    onEnd() {
      const body = Buffer.concat(parts);
      stream.sendHead({ status: 200, headers: [], contentLength: body.length });
      stream.sendData(body);
      stream.sendEnd();
    },
  };
};

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

test('http1 server: a head above 32 KB is 431, a target above 16 KB is 414', async (t) => {
  const big = await serve(t, echo);
  big.client.write(`GET / HTTP/1.1\r\nHost: a\r\n${`x: ${'y'.repeat(1000)}\r\n`.repeat(40)}`);
  await big.until(/^HTTP\/1.1 431 [\s\S]*x-weft-reason: HEAD_TOO_LARGE[\s\S]*connection: close/);
  for (const length of [17_000, 40_000]) {
    const long = await serve(t, echo);
    long.client.write(`GET /${'a'.repeat(length)} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await long.until(/^HTTP\/1.1 414 [\s\S]*x-weft-reason: URI_TOO_LONG/);
  }
  const fits = await serve(t, echo);
  fits.client.write(`GET /${'a'.repeat(16_000)} HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(15_000)}\r\n\r\n`);
  await fits.until(/^HTTP\/1.1 200 /);
});

test('http1 server: a head that comes drop by drop is 408 at its deadline, an idle connection is closed in silence', async (t) => {
  const slow = await serve(t, echo, { limits: { headTimeoutMs: 60 } });
  const drip = setInterval(() => slow.client.write('x'), 10);
  t.after(() => clearInterval(drip));
  slow.client.write('GET / HTTP/1.1\r\nx: ');
  await slow.until(/^HTTP\/1.1 408 [\s\S]*REQUEST_TIMEOUT/);
  clearInterval(drip);
  const silent = await serve(t, echo, { limits: { headTimeoutMs: 40 } });
  await once(silent.client, 'end');
  assert.equal(silent.text(), '');
  const idle = await serve(t, echo, { limits: { idleTimeoutMs: 60 } });
  idle.client.write(get('/'));
  await idle.until(/200 OK/);
  await once(idle.client, 'end');
});

test('http1 server: a body that does not come is given up at the stall limit', async (t) => {
  const errors: string[] = [];
  const { client } = await serve(
    t,
    (_head, stream) => (stream.events = { ...deaf, onError: (error) => errors.push(error.code) }),
    { limits: { stallTimeoutMs: 50 } },
  );
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
  await closed(client);
  assert.deepEqual(errors, ['DOWNSTREAM_RESET']);
});

test('http1 server: pipelined requests are answered in order, one at a time, however long each takes', async (t) => {
  const open: ServerStream[] = [];
  const { client, until } = await serve(t, (_head, stream) => {
    stream.events = deaf;
    open.push(stream);
  });
  client.write(get('/1') + get('/2') + get('/3'));
  for (let i = 0; i < 3; i++) {
    while (open.length === 0) await sleep(1);
    assert.equal(open.length, 1, 'the next request waits for the answer');
    const stream = open.pop()!;
    stream.sendHead({ status: 200 + i, headers: [], contentLength: 0 });
    stream.sendEnd();
  }
  assert.deepEqual((await until(/202/)).match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 201', 'HTTP/1.1 202']);
});

test('http1 server: an answer before the whole body is drained up to 64 KB, else the connection closes', async (t) => {
  const early: RequestHandler = (head, stream) => {
    stream.events = deaf;
    stream.sendHead({ status: 200, headers: ['x-path', head.path], contentLength: 0 });
    stream.sendEnd();
  };
  const small = await serve(t, early);
  small.client.write('POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
  await small.until(/x-path: \/1/);
  small.client.write(
    `defghij${get('/2')}POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
  );
  await small.until(/x-path: \/2[\s\S]*x-path: \/3/);
  small.client.write(`1\r\nx\r\n0\r\n\r\n${get('/4')}`);
  await small.until(/x-path: \/4/);
  const large = await serve(t, early);
  large.client.write(`POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n${get('/smuggled')}`);
  await once(large.client, 'end');
  assert.equal(large.text().match(/HTTP\/1.1/g)?.length, 1);
  const waiting = await serve(t, early);
  waiting.client.write('POST /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n');
  await once(waiting.client, 'end');
});

test('http1 server: pause is exact, and what came meanwhile follows after resume', async (t) => {
  const heard: string[] = [];
  let stream: ServerStream | undefined;
  const { client } = await serve(t, (_head, s) => {
    stream = s;
    s.events = { ...deaf, onData: (c) => heard.push(c.toString()), onEnd: () => heard.push('end') };
    s.pause();
  });
  client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc');
  await sleep(20);
  client.write('def');
  await sleep(20);
  assert.deepEqual(heard, []);
  stream!.resume();
  await sleep(20);
  assert.deepEqual([heard.slice(0, -1).join(''), heard.at(-1)], ['abcdef', 'end']);
});

test('http1 server: a request without a body that is paused hears its end after resume', async (t) => {
  const heard: string[] = [];
  let stream: ServerStream | undefined;
  const { client } = await serve(t, (_head, s) => {
    stream = s;
    s.events = { ...deaf, onEnd: () => heard.push('end') };
    s.pause();
  });
  client.write(get('/'));
  await sleep(20);
  assert.deepEqual(heard, []);
  stream!.resume();
  await sleep(5);
  assert.deepEqual(heard, ['end']);
});

test('http1 server: drain finishes what runs, then closes; an idle connection closes at once', async (t) => {
  let stream: ServerStream | undefined;
  const busy = await serve(t, (_head, s) => {
    stream = s;
    s.events = deaf;
  });
  busy.client.write(get('/'));
  while (stream === undefined) await sleep(1);
  busy.connection.drain();
  stream.sendHead({ status: 200, headers: [], contentLength: 2 });
  stream.sendData(Buffer.from('ok'));
  stream.sendEnd();
  await once(busy.client, 'end');
  assert.match(busy.text(), /connection: close[\s\S]*ok$/);
  const idle = await serve(t, echo);
  idle.connection.drain();
  await once(idle.client, 'end');
  idle.client.end();
  await idle.connection.closed;
});

test('http1 server: a chunked answer to HTTP/1.0 runs until close, and a reset shows as one', async (t) => {
  const whole = await serve(t, (_head, stream) => {
    stream.events = deaf;
    stream.sendHead({ status: 200, headers: [], contentLength: -1 });
    stream.sendData(Buffer.from('all'));
    stream.sendEnd(['x-t', '1']);
  });
  whole.client.write('GET / HTTP/1.0\r\n\r\n');
  await once(whole.client, 'end');
  assert.equal(whole.text(), 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall');
  const broken = await serve(t, (_head, stream) => {
    stream.events = deaf;
    stream.sendHead({ status: 200, headers: [], contentLength: -1 });
    stream.sendData(Buffer.from('half'));
    setTimeout(() => stream.reset(new ProxyError('UPSTREAM_RESET', 'x')), 20);
  });
  broken.client.write('GET / HTTP/1.0\r\n\r\n');
  const [error] = (await once(broken.client, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNRESET');
});

test('http1 server: an answer longer or shorter than promised breaks the connection', async (t) => {
  for (const body of ['toolong', 'sh']) {
    const { client, text } = await serve(t, (_head, stream) => {
      stream.events = deaf;
      stream.sendHead({ status: 200, headers: [], contentLength: 4 });
      stream.sendData(Buffer.from(body));
      stream.sendEnd();
    });
    client.write(get('/'));
    await closed(client);
    assert.equal(text().includes('toolong'), false);
  }
});

test('http1 server: HEAD with a broken body is refused without a body', async (t) => {
  const { client, until, text } = await serve(t, echo);
  client.write('HEAD / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx');
  await until(/^HTTP\/1\.1 400 /);
  await closed(client);
  assert.match(text(), /content-length: [1-9][\s\S]*\r\n\r\n$/);
});

test('http1 server: an answer with a line break in a field becomes 500, and nothing of it is sent', async (t) => {
  const { client, until } = await serve(t, (_head, stream) => {
    stream.events = deaf;
    stream.sendHead({ status: 302, headers: ['location', '/x\r\nset-cookie: evil'], contentLength: 0 });
    stream.sendEnd();
  });
  client.write(get('/'));
  assert.equal((await until(/x-weft-reason: INTERNAL/)).includes('evil'), false);
});

test('http1 server: after CONNECT the bare socket can be taken, with what came behind', async (t) => {
  const { client, connection, until } = await serve(
    t,
    (_head, stream) => {
      stream.events = deaf;
      stream.sendHead({ status: 200, headers: [], contentLength: -1 });
      const taken = stream.takeSocket();
      assert.ok(taken);
      taken.socket.on('error', () => {});
      taken.socket.write(Buffer.concat([Buffer.from('got '), taken.firstBytes]));
      taken.socket.on('data', (bytes: Buffer) => taken.socket.end(bytes));
      taken.socket.resume();
    },
    { explicitProxy: true },
  );
  client.write('CONNECT db:1 HTTP/1.1\r\nHost: db:1\r\n\r\nearly');
  await connection.closed;
  await until(/HTTP\/1.1 200 OK\r\n\r\ngot early$/);
  client.write('+late');
  await once(client, 'end');
});

/** A server that says `answers[i]` to the i-th request that it reads, and counts connections. */
async function canned(t: TestContext, answers: readonly string[]): Promise<{ port: number; connections(): number }> {
  let connections = 0;
  let request = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => {});
    socket.on('data', () => socket.write(answers[request++] ?? '', 'latin1'));
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { port: portOf(server), connections: () => connections };
}

function head(path: string, more: Partial<RequestHead> = {}): RequestHead {
  return plainRequest('1.1', { path, ...more });
}

function listener(): { events: ClientStreamEvents; log: string[]; over: Promise<void> } {
  const log: string[] = [];
  const over = Promise.withResolvers<void>();
  return {
    log,
    over: over.promise,
    events: {
      onInformational: (h) => log.push(`~${h.status}`),
      onHead: (h) => log.push(`${h.status}`),
      onData: (c) => log.push(c.toString('latin1')),
      onEnd: () => void over.resolve(void log.push('end')),
      onError: (e) => void over.resolve(void log.push(e.code)),
      onWritable: () => {},
    },
  };
}

test('http1 client: bytes on an idle connection are poison; the next request never sees them', async (t) => {
  const stray = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray';
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      setTimeout(() => socket.write(stray), 20);
    });
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const timers = new TimerWheel();
  const socket = connect(portOf(server), '127.0.0.1');
  const connection = http1Client(socket, { limits: defaultLimits, timers });
  let changes = 0;
  connection.onChange = () => changes++;
  const first = listener();
  connection.open(head('/'), true, first.events);
  await first.over;
  assert.deepEqual(first.log, ['200', 'ok', 'end']);
  assert.equal(connection.capacity(), 1);
  await closed(socket);
  assert.equal(connection.gone, true);
  assert.equal(connection.capacity(), 0);
  assert.equal(changes, 2);
  const second = listener();
  connection.open(head('/'), true, second.events);
  await second.over;
  assert.deepEqual(second.log, ['INTERNAL']);
});

test('http1 client: an idle connection that the server closes says so, or a pool would go on counting on it', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      setTimeout(() => socket.end(), 20);
    });
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const socket = connect(portOf(server), '127.0.0.1');
  const connection = http1Client(socket, { limits: defaultLimits, timers: new TimerWheel() });
  const seen: boolean[] = [];
  connection.onChange = () => seen.push(connection.gone);
  const { events, over } = listener();
  connection.open(head('/'), true, events);
  await over;
  await closed(socket);
  assert.deepEqual(seen, [false, true]);
});

test('http1 client: two answers in one packet never reach two clients', async (t) => {
  const answer = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const upstream = await canned(t, [answer('one') + answer('stray'), answer('two')]);
  const proxy = await forwarder({ upstream: 'http1', port: upstream.port });
  t.after(() => proxy.close());
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const bodies: string[] = [];
  for (let i = 0; i < 2; i++) {
    const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
      http.get({ port: proxy.port, agent }, resolve).on('error', reject),
    );
    let body = '';
    for await (const part of response) body += String(part);
    bodies.push(body);
  }
  assert.deepEqual(bodies, ['one', 'two']);
  assert.equal(upstream.connections(), 2);
});

test('http1 client: a final answer before the body was sent ends the connection, the answer counts', async (t) => {
  const upstream = await canned(t, ['HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno']);
  const connection = http1Client(connect(upstream.port, '127.0.0.1'), {
    limits: defaultLimits,
    timers: new TimerWheel(),
  });
  const { events, log, over } = listener();
  const stream = connection.open(head('/', { method: 'POST', contentLength: 1_000_000 }), false, events);
  await over;
  assert.deepEqual(log, ['413', 'no', 'end']);
  assert.equal(connection.gone, true);
  assert.equal(stream.sendData(Buffer.from('late')), true);
  stream.sendEnd();
});

test('http1 client: more than 16 interim answers end the connection', async (t) => {
  const upstream = await canned(t, ['HTTP/1.1 100 Continue\r\n\r\n'.repeat(17)]);
  const connection = http1Client(connect(upstream.port, '127.0.0.1'), {
    limits: defaultLimits,
    timers: new TimerWheel(),
  });
  const { events, log, over } = listener();
  connection.open(head('/'), true, events);
  await over;
  assert.equal(log.at(-1), 'UPSTREAM_PROTOCOL');
});

test('http1 client: a WebSocket without a key gets one of ours, and the answer to it is checked', async (t) => {
  const connection = async (accept: (key: string) => string): Promise<{ log: string[]; head: string }> => {
    let head1 = '';
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (bytes: Buffer) => {
        head1 = bytes.toString();
        const key = /sec-websocket-key: (\S+)/.exec(head1)?.[1] ?? '';
        socket.end(
          `HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept(key)}\r\n\r\nhi`,
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const client = http1Client(connect(portOf(server), '127.0.0.1'), {
      limits: defaultLimits,
      timers: new TimerWheel(),
    });
    const { events, log, over } = listener();
    const stream = client.open(head('/', { protocol: 'websocket' }), false, events);
    await over;
    stream.sendEnd();
    return { log, head: head1 };
  };
  const { createHash } = await import('node:crypto');
  const right = (key: string): string =>
    createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const good = await connection(right);
  assert.deepEqual(good.log, ['200', 'hi', 'end']);
  assert.match(good.head, /^GET \/ HTTP\/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n/);
  const bad = await connection(() => 'AAAA');
  assert.deepEqual(bad.log, ['UPSTREAM_PROTOCOL']);
});

test('http1 client: a request that cannot be written fails alone', async (t) => {
  const upstream = await canned(t, ['HTTP/1.1 204 No Content\r\n\r\n']);
  const connection = http1Client(connect(upstream.port, '127.0.0.1'), {
    limits: defaultLimits,
    timers: new TimerWheel(),
  });
  const bad = listener();
  connection.open(head('/', { headers: ['x', 'a\r\nb'] }), true, bad.events);
  await bad.over;
  assert.deepEqual(bad.log, ['INTERNAL']);
  const good = listener();
  connection.open(head('/'), true, good.events);
  await good.over;
  assert.deepEqual(good.log, ['204', 'end']);
  connection.drain();
  assert.equal(connection.gone, true);
});

for (const [hop, count] of [
  ['http1', 10_000],
  ['http2', 1_000],
] as const) {
  test(
    `forwarder: ${count} requests over ${hop} leave no socket, stream or timer behind`,
    { timeout: 60_000 },
    async (t) => {
      const timers = new TimerWheel();
      const server = createServer(
        (socket) => void http1Server(socket, { handler: echo, limits: defaultLimits, timers }),
      );
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => server.close());
      const back = await forwarder({ upstream: 'http1', port: portOf(server) });
      const front = await forwarder({ upstream: hop, port: back.port });
      const before = sockets();
      await Promise.all(Array.from({ length: 10 }, () => flood(front.port, count / 10)));
      for (let i = 0; i < 100 && front.downstreams.size > 0; i++) await sleep(5);
      assert.equal(front.downstreams.size, 0);
      const active = [...front.upstreams, ...back.upstreams].reduce((n, c) => n + c.active, 0);
      assert.equal(active, 0);
      await front.close();
      await back.close();
      for (let i = 0; i < 100 && sockets() > before; i++) await sleep(5);
      assert.ok(sockets() <= before, `${sockets() - before} sockets left`);
      assert.ok(
        front.timers.size <= 40 && back.timers.size <= 40,
        'a few timers for each connection, none for each request',
      );
    },
  );
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
}

/** Sends `count` requests over one connection, 20 at a time, and waits for its end. */
async function flood(port: number, count: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  const batch = get('/x').repeat(20);
  let received = '';
  let sent = 20;
  socket.write(batch);
  for await (const bytes of socket) {
    received += (bytes as Buffer).toString('latin1');
    const answers = received.split('HTTP/1.1 200').length - 1;
    if (answers < 20) continue;
    received = '';
    if (sent === count) socket.end();
    else socket.write(batch);
    sent += 20;
  }
  assert.ok(sent >= count);
}
