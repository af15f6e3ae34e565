import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { controlName, serveReceipts } from '../../conformance/testapp/control.ts';
import type { HostPort } from '../../conformance/testapp/dial.ts';
import { drive } from '../../conformance/testapp/driver.ts';
import type { Call, Protocol, ReplyLine, Request } from '../../conformance/testapp/protocol.ts';
import { Receipts } from '../../conformance/testapp/receipts.ts';
import { send } from '../../conformance/testapp/send.ts';
import { serve, type Serving } from '../../conformance/testapp/serve.ts';
import { testapp } from '../../conformance/testapp/testapp.ts';

const self = { app: 'b', version: 'v1', namespace: 'ns1', pod: 'b-1' };
const receipts = new Receipts();
const never = new AbortController().signal;
let serving: Serving;
let proxy: ExplicitProxy;

before(async () => {
  serving = await serve({ address: '127.0.0.1', http: [0], tcp: [0], tcpFirst: [0], self, receipts });
  proxy = await explicitProxy();
});

after(async () => {
  proxy.close();
  await serving.close();
});

let ids = 0;
function call(protocol: Protocol, more: Partial<Call> = {}): Call {
  const port = protocol === 'tcp' ? serving.tcp[0] : protocol === 'tcp-first' ? serving.tcpFirst[0] : serving.http[0];
  return { protocol, host: '127.0.0.1', port: port ?? 0, id: `id-${++ids}`, timeoutMs: 2000, ...more };
}

const PROTOCOLS = ['http1', 'http2', 'grpc', 'websocket', 'tcp', 'tcp-first'] as const;

test('testapp: as many requests as are asked for share a connection', async () => {
  const request = call('http1', { count: 10, concurrency: 2, perConnection: 3 });
  const before = proxy.connections;
  const { sent } = await send(request, proxy.at, never);
  assert.equal(sent, 10);
  assert.equal(proxy.connections - before, 4); // each of the two has five requests: three, then two
});

for (const through of ['directly', 'by proxy settings'] as const)
  for (const protocol of PROTOCOLS)
    for (const reuse of [false, true])
      test(`testapp: ${protocol} is sent ${through}, ${reuse ? 'on kept connections' : 'each on a new connection'}`, async () => {
        const request = call(protocol, { count: 6, concurrency: 2, reuse });
        const before = proxy.connections;
        const result = await send(request, through === 'directly' ? undefined : proxy.at, never);
        assert.equal(result.sent, 6);
        for (const { answer } of result.tallies) assert.equal(answer.error, undefined);
        const answered = result.tallies.filter(({ answer }) => answer.by !== undefined);
        assert.deepEqual(answered[0]?.answer.by, self);
        const seen = receipts.seen([request.id])[request.id]?.count;
        assert.equal(seen, reuse && !['http1', 'http2', 'grpc'].includes(protocol) ? 2 : 6);
        assert.equal(proxy.connections - before, through === 'directly' ? 0 : reuse ? 2 : 6);
      });

test('testapp: tells what it received: method, raw path and headers', async () => {
  const request = call('http1', { method: 'PUT', path: '/pub/../a;x?q=%2f', headers: [['L5d-Client-Id', 'a']] });
  await send(request, undefined, never);
  const receipt = receipts.seen([request.id])[request.id]?.first[0];
  assert.equal(receipt?.method, 'PUT');
  assert.equal(receipt?.path, '/pub/../a;x?q=%2f');
  assert.deepEqual(receipt?.headers?.at(-1), ['l5d-client-id', 'a']);
});

test('testapp: bytes that are not HTTP are noted on an HTTP port', async () => {
  const request = call('raw', { bytes: 'HELLO id={id}\n' });
  const result = await send(request, undefined, never);
  assert.equal(result.tallies[0]?.answer.error, 'not-http');
  assert.equal(receipts.seen([request.id])[request.id]?.first[0]?.protocol, 'bytes');
});

test('testapp: a proxy that refuses CONNECT is an answer, with its reason', async () => {
  const refusing = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end('HTTP/1.1 403 Forbidden\r\nx-weft-reason: ACCESS_DENIED\r\n\r\n'));
  });
  refusing.listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  const at = { host: '127.0.0.1', port: (refusing.address() as { port: number }).port };
  const result = await send(call('tcp'), at, never);
  assert.deepEqual(result.tallies, [{ answer: { status: 403, reason: 'ACCESS_DENIED' }, count: 1 }]);
  refusing.close();
});

test('testapp: a reply to gRPC without a status of its own has status 2, UNKNOWN, as gRPC clients have it', async () => {
  const server = createHttp2Server((_request, response) => response.end('served, but not by gRPC'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const result = await send(call('grpc', { port }), undefined, never);
  assert.deepEqual(result.tallies, [{ answer: { status: 200, grpc: 2 }, count: 1 }]);
  server.close();
});

test('testapp: refused, closed and silent servers are told apart', async () => {
  const held: Socket[] = [];
  const server = (behave: (socket: Socket) => void) =>
    listening(
      createServer((socket) => {
        held.push(socket);
        socket.on('error', () => undefined);
        behave(socket);
      }),
    );
  const closing = await server((socket) => socket.once('data', () => socket.resetAndDestroy()));
  const silent = await server(() => undefined);
  const errorOf = async (port: number, protocol: Protocol) =>
    (await send(call(protocol, { port, timeoutMs: 200 }), undefined, never)).tallies[0]?.answer.error;
  for (const protocol of ['http1', 'http2', 'tcp'] as const) {
    assert.equal(await errorOf(closing.port, protocol), 'closed', protocol);
    assert.equal(await errorOf(silent.port, protocol), 'timeout', protocol);
  }
  closing.server.close();
  for (const socket of held) socket.destroy();
  await once(closing.server, 'close');
  assert.equal(await errorOf(closing.port, 'http1'), 'refused');
  silent.server.close();
});

test('testapp driver: calls, held connections, load until told to finish, and receipts of its own app', async () => {
  const control = controlName('ns1', `test-${process.pid}`);
  const answering = await serveReceipts(control, receipts);
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const done = drive({ proxy: undefined, control, stdin, stdout }, never);
  const ask = asker(stdin, stdout);

  const one = call('http1');
  assert.equal((await ask({ op: 'call', call: one })).result?.sent, 1);
  assert.equal((await ask({ op: 'seen', ids: [one.id, 'nobody'] })).seen?.[one.id]?.count, 1);
  assert.equal((await ask({ op: 'seen', ids: ['nobody'] })).seen?.['nobody']?.count, 0);

  const { key, answer } = await ask({ op: 'open', call: call('tcp') });
  assert.deepEqual(answer?.by, self);
  assert.deepEqual((await ask({ op: 'again', key: key ?? '' })).answer, { status: 200 });
  assert.equal((await ask({ op: 'closed', key: key ?? '', waitMs: 1 })).closed, false);
  await ask({ op: 'close', key: key ?? '' });
  assert.match((await ask({ op: 'again', key: key ?? '' })).failure ?? '', /no connection is kept/);

  const load = await ask({ op: 'start', call: call('http2', { untilStopped: true, reuse: true, pauseMs: 1 }) });
  await ask({ op: 'call', call: call('http1', { count: 20 }) });
  const finished = await ask({ op: 'finish', key: load.key ?? '' });
  assert.ok((finished.result?.sent ?? 0) > 1);
  assert.deepEqual(finished.result?.tallies[0]?.answer, { status: 200, by: self });

  stdin.write('no json\n');
  assert.equal(JSON.parse(await nextLine(stdout)).n, -1);
  stdin.end();
  await done;
  answering.close();
});

test('testapp: serves what its arguments and environment say until aborted; call prints a result', async () => {
  const stop = new AbortController();
  const env = { APP_NAME: 'web', APP_VERSION: 'v9', POD_NAMESPACE: 'shop', POD_NAME: `web-${process.pid}` };
  const stdout = new PassThrough();
  const io = { env, stdin: new PassThrough(), stdout };
  const running = testapp(['serve', '--listen-address', '127.0.0.1', '--http', '0'], io, stop.signal);
  const port = Number(/http (\d+)/.exec(await nextLine(stdout))?.[1]);
  assert.equal(await testapp(['call', JSON.stringify(call('http2', { port }))], io, never), 0);
  const result = JSON.parse(await nextLine(stdout)) as { tallies: { answer: unknown }[] };
  assert.deepEqual(result.tallies[0]?.answer, {
    status: 200,
    by: { app: 'web', version: 'v9', namespace: 'shop', pod: env.POD_NAME },
  });
  stop.abort();
  assert.equal(await running, 0);
  assert.equal(await testapp(['nonsense'], io, never), 2);
});

interface ExplicitProxy {
  readonly at: HostPort;
  readonly connections: number;
  close(): void;
}

/** The smallest explicit proxy: absolute-form over one upstream connection per client, and CONNECT. */
async function explicitProxy(): Promise<ExplicitProxy> {
  let connections = 0;
  const open = new Set<Socket>();
  const server = createHttpServer((request, response) => {
    const target = new URL(request.url ?? '');
    assert.equal(request.headers.host, target.host);
    const upstream = connect(Number(target.port), target.hostname);
    const head = `${request.method} ${target.pathname} HTTP/1.1\r\nHost: ${target.host}\r\nConnection: close\r\n`;
    upstream.write(`${head}x-test-id: ${String(request.headers['x-test-id'])}\r\n\r\n`);
    let text = '';
    upstream.on('data', (chunk) => (text += String(chunk)));
    upstream.on('end', () => {
      const servedBy = /x-test-served-by: (.*)\r\n/.exec(text)?.[1] ?? '';
      response.writeHead(200, { 'x-test-served-by': servedBy }).end();
    });
  });
  server.on('connection', (socket) => {
    connections++;
    open.add(socket);
  });
  server.on('connect', (request, socket: Socket, head: Buffer) => {
    const upstream = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    open.add(upstream);
    for (const end of [socket, upstream]) end.on('error', () => upstream.destroy());
  });
  const { port } = await listening(server);
  return {
    at: { host: '127.0.0.1', port },
    get connections() {
      return connections;
    },
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

async function listening(server: Server): Promise<{ readonly server: Server; readonly port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as { port: number }).port };
}

function asker(stdin: PassThrough, stdout: PassThrough): (request: Request) => Promise<ReplyLine> {
  let n = 0;
  return async (request) => {
    stdin.write(JSON.stringify({ n: ++n, ...request }) + '\n');
    const reply = JSON.parse(await nextLine(stdout)) as ReplyLine;
    assert.equal(reply.n, n);
    return reply;
  };
}

async function nextLine(stream: PassThrough): Promise<string> {
  let text = '';
  while (!text.includes('\n')) {
    const chunk: unknown = stream.read();
    if (chunk === null) await once(stream, 'readable');
    else text += String(chunk);
  }
  return text;
}
