import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { connect, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ByteQueue, bytesWaiting, MUCH_WAITS } from '../../../src/proxy/codec/byte-queue.ts';
import { deaf } from '../../../src/proxy/codec/http1-server-stream.ts';
import { http2Client } from '../../../src/proxy/codec/http2-client.ts';
import { NARROW_BYTES } from '../../../src/proxy/codec/http2-receive-window.ts';
import { http2Server } from '../../../src/proxy/codec/http2-server.ts';
import { defaultHttp2Settings } from '../../../src/proxy/codec/http2-settings.ts';
import { defaultLimits as limits } from '../../../src/proxy/codec/limits.ts';
import type { ClientConnection, ClientStream, HttpStream } from '../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import { portOf } from './forwarder.ts';
import { plainRequest } from './plain-request.ts';

const WIDE = defaultHttp2Settings.initialWindowBytes;
const BODY = 300_000;

/** Something waits somewhere else in this sidecar, until the test is over. */
function pressure(t: TestContext): { set(bytes: number): void } {
  const queue = new ByteQueue();
  t.after(() => queue.clear());
  const piece = Buffer.alloc(64 * 1024);
  return {
    set(bytes) {
      queue.clear();
      while (queue.length < bytes) queue.push(piece);
    },
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2);
}

/** The peers are of node:http2, which keep exactly to what they are told, as our end demands. */
interface Reader {
  readonly stream: HttpStream;
  heard: number;
  ended: boolean;
}

/** Our end, connected to a server that begins to listen for it. */
async function clientOf(t: TestContext, server: http2.Http2Server): Promise<ClientConnection> {
  server.on('session', (session) => t.after(() => session.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const socket = connect(portOf(server), '127.0.0.1');
  await once(socket, 'connect');
  const client = http2Client(socket, { limits, timers: new TimerWheel(10) });
  t.after(() => client.destroy());
  return client;
}

test('http/2 client: when much waits streams begin with a narrow window, and with a wide one again when it is gone', async (t) => {
  const server = http2.createServer({ settings: { initialWindowSize: WIDE } }, (_req, res) =>
    res.end(Buffer.alloc(BODY)),
  );
  const told: number[] = [];
  server.on('session', (session) => {
    session.on('remoteSettings', ({ initialWindowSize }) => told.push(initialWindowSize!));
  });
  const client = await clientOf(t, server);
  const errors: unknown[] = [];
  const ask = (): Reader => {
    const reader: { stream: ClientStream; heard: number; ended: boolean } = {
      stream: undefined!,
      heard: 0,
      ended: false,
    };
    reader.stream = client.open(plainRequest('2'), true, {
      ...deaf,
      onInformational() {},
      onHead() {},
      onData: (chunk) => void (reader.heard += chunk.length),
      onEnd: () => void (reader.ended = true),
      onError: (error) => void errors.push(error),
    });
    return reader;
  };
  const first = ask();
  await until(() => first.ended);
  assert.deepEqual(told, [WIDE]);
  const stalled = ask();
  stalled.stream.pause();
  await until(() => bytesWaiting() === WIDE);
  const much = pressure(t);
  much.set(MUCH_WAITS + 1);
  const narrow = Array.from({ length: 20 }, ask);
  for (const { stream } of narrow) stream.pause();
  const before = bytesWaiting();
  await until(() => bytesWaiting() - before >= 20 * NARROW_BYTES);
  await sleep(20);
  assert.equal(bytesWaiting() - before, 20 * NARROW_BYTES);
  assert.deepEqual(told, [WIDE, NARROW_BYTES]);
  for (const { stream } of [stalled, ...narrow]) stream.resume();
  await until(() => stalled.ended && narrow.every(({ ended }) => ended));
  assert.ok([stalled, ...narrow].every(({ heard }) => heard === BODY));
  much.set(0);
  const wide = ask();
  await until(() => wide.ended);
  assert.deepEqual(told, [WIDE, NARROW_BYTES, WIDE]);
  assert.equal(wide.heard, BODY);
  assert.deepEqual(errors, []);
});

test('http/2 client: what was heard and not returned yet is no part of a window that becomes narrow', async (t) => {
  const first = WIDE / 2 - 1000;
  const server = http2.createServer((req, res) => {
    if (req.url !== '/') return void res.end();
    res.write(Buffer.alloc(first));
    res.stream.session!.once('remoteSettings', () => res.end(Buffer.alloc(BODY - first)));
  });
  const client = await clientOf(t, server);
  const ask = (path: string): { heard: number; ended: boolean } => {
    const reader = { heard: 0, ended: false };
    client.open(plainRequest('2', { path }), true, {
      ...deaf,
      onInformational() {},
      onHead() {},
      onData: (chunk) => void (reader.heard += chunk.length),
      onEnd: () => void (reader.ended = true),
    });
    return reader;
  };
  const acquainted = ask('/other');
  await until(() => acquainted.ended);
  const reader = ask('/');
  await until(() => reader.heard === first);
  pressure(t).set(MUCH_WAITS + 1);
  ask('/other');
  await until(() => reader.ended);
  assert.equal(reader.heard, BODY);
});

test('http/2 server: uploads are taken whole while the windows of streams change', async (t) => {
  const much = pressure(t);
  const readers: Reader[] = [];
  const server = createServer((socket) => {
    http2Server(socket, {
      limits,
      timers: new TimerWheel(10),
      handler(_head, stream) {
        const reader: Reader = { stream, heard: 0, ended: false };
        readers.push(reader);
        stream.events = {
          ...deaf,
          onData: (chunk) => void (reader.heard += chunk.length),
          onEnd() {
            reader.ended = true;
            stream.sendHead({ status: 204, headers: [], contentLength: 0 });
            stream.sendEnd();
          },
        };
        if (readers.length % 2 === 0) stream.pause();
        if (readers.length === 5) much.set(MUCH_WAITS + 1);
        if (readers.length === 15) much.set(0);
      },
    });
    t.after(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const session = http2.connect(`http://127.0.0.1:${portOf(server)}`);
  t.after(() => session.destroy());
  const told: number[] = [];
  session.on('remoteSettings', ({ initialWindowSize }) => told.push(initialWindowSize!));
  await once(session, 'remoteSettings');
  const answers: Promise<unknown>[] = [];
  for (let i = 0; i < 20; i++) {
    const request = session.request({ ':method': 'POST', ':path': '/' });
    request.end(Buffer.alloc(BODY));
    answers.push(once(request, 'response'));
    await sleep(2); // so that the peer hears of it between them
  }
  await sleep(20);
  for (const { stream } of readers) stream.resume();
  await Promise.all(answers);
  assert.ok(readers.every(({ heard, ended }) => heard === BODY && ended));
  assert.deepEqual(told, [WIDE, NARROW_BYTES, WIDE]);
});
