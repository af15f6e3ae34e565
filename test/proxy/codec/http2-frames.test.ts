import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HpackEncoder } from '../../../src/proxy/codec/hpack-encoder.ts';
import * as h2 from '../../../src/proxy/codec/http2-frames.ts';
import { http2Client } from '../../../src/proxy/codec/http2-client.ts';
import { http2Server } from '../../../src/proxy/codec/http2-server.ts';
import { deaf } from '../../../src/proxy/codec/http1-server-stream.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type { ClientConnection, RequestHandler } from '../../../src/proxy/codec/stream.ts';
import { ProxyError } from '../../../src/proxy/error.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import { portOf } from './forwarder.ts';
import { overwriteLentMemory } from './lent-memory.ts';
import { plainRequest } from './plain-request.ts';

overwriteLentMemory();

const frame = (type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer => {
  const bytes = Buffer.from(payload as string, 'latin1');
  return Buffer.concat([h2.frameHeader(type, flags, id, bytes.length), bytes]);
};
const u32 = (...n: number[]): Buffer => Buffer.concat(n.map((v) => Buffer.from([v >>> 24, v >>> 16, v >>> 8, v])));
const GET = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'a'];
const HEAD = plainRequest('2');
const block = (fields: readonly string[]): Buffer => new HpackEncoder().encode(fields);
const END = h2.END_STREAM | h2.END_HEADERS;
const get = (id: number, fields: readonly string[] = GET): Buffer => frame(h2.HEADERS, END, id, block(fields));
const post = (id: number, more: readonly string[] = []): Buffer =>
  frame(h2.HEADERS, h2.END_HEADERS, id, block([':method', 'POST', ...GET.slice(2), ...more]));
const hello = Buffer.concat([h2.PREFACE, frame(h2.SETTINGS, 0, 0)]);

interface Raw {
  send(bytes: Buffer): void;
  /** `HEADERS 1`, `RST 1 8`, `GOAWAY 1`, `PING`, `closed`... */
  readonly seen: string[];
  /** Drains the server's connection. */
  drain(): void;
  /** Waits for an event, and returns it. */
  until(pattern: RegExp): Promise<string>;
}

/** @param windows is filled with what WINDOW_UPDATE says for stream 1 */
async function raw(t: TestContext, handler: RequestHandler, windows: number[] = []): Promise<Raw> {
  let drain = () => {};
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const connection = http2Server(socket, { handler, limits: defaultLimits, timers: new TimerWheel(), connect: true });
    drain = () => connection.drain();
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect(portOf(server), '127.0.0.1');
  t.after(() => {
    socket.destroy();
    server.close();
  });
  const seen: string[] = [];
  let held = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('close', () => seen.push('closed'));
  socket.on('data', (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const end = 9 + held.readUIntBE(0, 3);
      seen.push(describe(held.subarray(0, end)));
      if (held[3] === h2.WINDOW_UPDATE && held.readUInt32BE(5) === 1) windows.push(held.readUInt32BE(9));
      held = held.subarray(end);
    }
  });
  const until = async (pattern: RegExp): Promise<string> => {
    for (let i = 0; i < 600; i++) {
      const found = seen.find((event) => pattern.test(event));
      if (found !== undefined) return found;
      await sleep(5);
    }
    return assert.fail(`no ${pattern} in ${seen.slice(-20).join(', ')}`);
  };
  return { send: (bytes) => void (socket.writable && socket.write(bytes)), seen, until, drain: () => drain() };
}

function describe(bytes: Buffer): string {
  const [type, flags, id] = [bytes[3]!, bytes[4]!, bytes.readUInt32BE(5)];
  if (type === h2.RST_STREAM) return `RST ${id} ${bytes.readUInt32BE(9)}`;
  if (type === h2.GOAWAY) return `GOAWAY ${bytes.readUInt32BE(13)}`;
  const name = ['DATA', 'HEADERS', '', '', 'SETTINGS', '', 'PING', '', 'WINDOW_UPDATE', 'CONTINUATION'][type];
  return `${name} ${id}${(flags & 1) === 0 ? '' : ' end'}`;
}

const answer: RequestHandler = (_head, stream) => {
  stream.events = {
    ...deaf,
    onEnd() {
      stream.sendHead({ status: 204, headers: [], contentLength: 0 });
      stream.sendEnd();
    },
  };
};

const offences: readonly (readonly [string, readonly Buffer[], string])[] = [
  ['no preface', [Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')], 'GOAWAY 1'],
  ['a first frame that is not SETTINGS', [h2.PREFACE, frame(h2.PING, 0, 0, '12345678')], 'GOAWAY 1'],
  ['SETTINGS of 5 bytes', [hello, frame(h2.SETTINGS, 0, 0, '12345')], 'GOAWAY 6'],
  ['SETTINGS on a stream', [hello, frame(h2.SETTINGS, 0, 1)], 'GOAWAY 1'],
  ['SETTINGS ACK with a payload', [hello, frame(h2.SETTINGS, h2.ACK, 0, '123456')], 'GOAWAY 6'],
  ['a window of 2^31', [hello, h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, 2 ** 31])], 'GOAWAY 3'],
  [
    'a setting that makes the window of a stream 2^31',
    [
      hello,
      post(1),
      frame(h2.WINDOW_UPDATE, 0, 1, u32(h2.MAX_WINDOW - h2.DEFAULT_WINDOW)),
      h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, h2.DEFAULT_WINDOW + 1]),
    ],
    'GOAWAY 3',
  ],
  ['a frame size of 1', [hello, h2.settingsFrame([h2.SETTINGS_MAX_FRAME_SIZE, 1])], 'GOAWAY 1'],
  ['push of 2', [hello, h2.settingsFrame([h2.SETTINGS_ENABLE_PUSH, 2])], 'GOAWAY 1'],
  ['40 settings', [hello, h2.settingsFrame(Array(80).fill(99))], 'GOAWAY 11'],
  ['a frame of 16,385 bytes', [hello, post(1), frame(h2.DATA, 0, 1, Buffer.alloc(16_385))], 'GOAWAY 6'],
  ['DATA on stream 0', [hello, frame(h2.DATA, 0, 0, 'x')], 'GOAWAY 1'],
  ['DATA on an idle stream', [hello, frame(h2.DATA, 0, 5, 'x')], 'GOAWAY 1'],
  ['DATA behind the end of an answered stream', [hello, get(1), frame(h2.DATA, 0, 1, 'x')], 'GOAWAY 5'],
  ['DATA with too much padding', [hello, post(1), frame(h2.DATA, h2.PADDED, 1, '\x05abc')], 'GOAWAY 1'],
  ['HEADERS on an even stream', [hello, get(2)], 'GOAWAY 1'],
  ['HEADERS on stream 0', [hello, get(0)], 'GOAWAY 1'],
  ['HEADERS on a lower stream', [hello, get(5), get(3)], 'GOAWAY 1'],
  ['HEADERS behind the end of an answered stream', [hello, get(1), get(1)], 'GOAWAY 5'],
  ['PRIORITY on itself', [hello, frame(h2.PRIORITY, 0, 1, Buffer.concat([u32(1), Buffer.from([9])]))], 'GOAWAY 1'],
  [
    'HEADERS that depend on themselves',
    [hello, frame(h2.HEADERS, END | h2.WITH_PRIORITY, 1, Buffer.concat([u32(1), Buffer.from([9]), block(GET)]))],
    'GOAWAY 1',
  ],
  ['HEADERS twice without an end', [hello, post(1), post(1)], 'RST 1 1'],
  ['CONTINUATION without HEADERS', [hello, frame(h2.CONTINUATION, 4, 1)], 'GOAWAY 1'],
  [
    'a frame between HEADERS and CONTINUATION',
    [hello, frame(h2.HEADERS, 1, 1), frame(h2.PING, 0, 0, '12345678')],
    'GOAWAY 1',
  ],
  ['a broken header block', [hello, frame(h2.HEADERS, END, 1, '\x80')], 'GOAWAY 9'],
  ['PUSH_PROMISE', [hello, frame(h2.PUSH_PROMISE, 4, 1, u32(2))], 'GOAWAY 1'],
  ['PING of 7 bytes', [hello, frame(h2.PING, 0, 0, '1234567')], 'GOAWAY 6'],
  ['PING on a stream', [hello, frame(h2.PING, 0, 1, '12345678')], 'GOAWAY 1'],
  ['RST_STREAM on an idle stream', [hello, frame(h2.RST_STREAM, 0, 7, u32(8))], 'GOAWAY 1'],
  ['RST_STREAM of 3 bytes', [hello, post(1), frame(h2.RST_STREAM, 0, 1, '123')], 'GOAWAY 6'],
  ['PRIORITY of 4 bytes', [hello, frame(h2.PRIORITY, 0, 1, '1234')], 'GOAWAY 6'],
  ['WINDOW_UPDATE of 0', [hello, frame(h2.WINDOW_UPDATE, 0, 0, u32(0))], 'GOAWAY 1'],
  ['WINDOW_UPDATE of 0 on a stream', [hello, post(1), frame(h2.WINDOW_UPDATE, 0, 1, u32(0))], 'RST 1 1'],
  ['WINDOW_UPDATE over 2^31', [hello, frame(h2.WINDOW_UPDATE, 0, 0, u32(h2.MAX_WINDOW))], 'GOAWAY 3'],
  [
    'WINDOW_UPDATE over 2^31 on a stream',
    [hello, post(1), frame(h2.WINDOW_UPDATE, 0, 1, u32(h2.MAX_WINDOW))],
    'RST 1 3',
  ],
  ['more DATA than content-length', [hello, post(1, ['content-length', '2']), frame(h2.DATA, 0, 1, 'abc')], 'RST 1 1'],
  ['less DATA than content-length', [hello, post(1, ['content-length', '2']), frame(h2.DATA, 1, 1, 'a')], 'RST 1 1'],
  ['a name in upper case', [hello, get(1, [...GET, 'X-A', '1'])], 'RST 1 1'],
  ['a name with a space', [hello, get(1, [...GET, 'x a', '1'])], 'RST 1 1'],
  ['a value with a line break', [hello, get(1, [...GET, 'x', 'a\r\nb: c'])], 'RST 1 1'],
  ['a value with NUL', [hello, get(1, [...GET, 'x', 'a\0'])], 'RST 1 1'],
  ['a value with an outer space', [hello, get(1, [...GET, 'x', ' a'])], 'RST 1 1'],
  ['connection', [hello, get(1, [...GET, 'connection', 'close'])], 'RST 1 1'],
  ['transfer-encoding', [hello, get(1, [...GET, 'transfer-encoding', 'chunked'])], 'RST 1 1'],
  ['te: gzip', [hello, get(1, [...GET, 'te', 'gzip'])], 'RST 1 1'],
  ['two content-lengths', [hello, post(1, ['content-length', '2', 'content-length', '2'])], 'RST 1 1'],
  ['a pseudo-field twice', [hello, get(1, [':path', '/x', ...GET])], 'RST 1 1'],
  ['a late pseudo-field', [hello, get(1, [...GET.slice(0, 6), 'x', '1', ':authority', 'a'])], 'RST 1 1'],
  ['an unknown pseudo-field', [hello, get(1, [':x', '1', ...GET])], 'RST 1 1'],
  ['a response pseudo-field', [hello, get(1, [':status', '200', ...GET])], 'RST 1 1'],
  ['no :method', [hello, get(1, GET.slice(2))], 'RST 1 1'],
  ['no :path', [hello, get(1, [...GET.slice(0, 4), ':authority', 'a'])], 'RST 1 1'],
  ['an empty :path', [hello, get(1, [':method', 'GET', ':scheme', 'http', ':path', '', ':authority', 'a'])], 'RST 1 1'],
  ['no :scheme', [hello, get(1, [...GET.slice(0, 2), ...GET.slice(4)])], 'RST 1 1'],
  ['CONNECT with :path', [hello, get(1, [':method', 'CONNECT', ...GET.slice(2)])], 'RST 1 1'],
  ['trailers with a pseudo-field', [hello, post(1), get(1, [':path', '/'])], 'RST 1 1'],
  ['method with a space', [hello, get(1, [':method', 'GE T', ...GET.slice(2)])], 'HEADERS 1'],
];

for (const [name, frames, expected] of offences) {
  test(`http2 frames: ${name} gets ${expected}, cut anywhere`, async (t) => {
    const bytes = Buffer.concat(frames);
    const whole = await raw(t, answer);
    whole.send(bytes);
    await whole.until(new RegExp(`^${expected}$`));
    if (expected.startsWith('GOAWAY')) await whole.until(/closed/);
    const dropwise = await raw(t, answer);
    for (const piece of [bytes.subarray(0, 30), bytes.subarray(30, 37), bytes.subarray(37)]) {
      dropwise.send(piece);
      await sleep(2);
    }
    await dropwise.until(new RegExp(`^${expected}$`));
  });
}

test('http2 frames: DATA behind END_STREAM ends the stream alone while its answer is due', async (t) => {
  const peer = await raw(t, (_head, stream) => (stream.events = deaf));
  peer.send(Buffer.concat([hello, get(1), frame(h2.DATA, 0, 1, 'x')]));
  await peer.until(/^RST 1 5$/);
  assert.ok(!peer.seen.includes('closed'));
});

test('http2 frames: DATA behind END_STREAM is no offence on a stream that we have reset, however long ago', async (t) => {
  const peer = await raw(t, (_head, stream) => {
    stream.events = deaf;
    stream.reset(new ProxyError('OVERLOADED', 'test'));
  });
  peer.send(hello);
  for (let id = 1; id < 1400; id += 2) peer.send(get(id));
  await peer.until(/^RST 1399 7$/);
  peer.send(Buffer.concat([frame(h2.DATA, 0, 1, 'x'), frame(h2.DATA, 0, 1399, 'x'), frame(h2.PING, 0, 0, '12345678')]));
  await peer.until(/^PING 0 end$/);
  assert.ok(!peer.seen.some((event) => event.startsWith('GOAWAY')));
});

test('http2 frames: padding, priority, unknown frames and CONTINUATION are understood', async (t) => {
  const heads: string[] = [];
  const peer = await raw(t, (head, stream) => {
    heads.push(`${head.path} ${head.headers.join('=')}`);
    answer(head, stream);
  });
  const fields = block([...GET, 'x', 'y']);
  const padded = Buffer.concat([Buffer.from([3]), u32(0), Buffer.from([9]), fields, Buffer.alloc(3)]);
  peer.send(hello);
  peer.send(frame(h2.HEADERS, END | h2.PADDED | h2.WITH_PRIORITY, 1, padded));
  peer.send(frame(99, 0xff, 1, 'whatever'));
  peer.send(frame(h2.HEADERS, h2.END_STREAM, 3, fields.subarray(0, 5)));
  await sleep(2); // each in a read of its own
  peer.send(frame(h2.CONTINUATION, 0, 3, fields.subarray(5, 7)));
  await sleep(2);
  peer.send(frame(h2.CONTINUATION, h2.END_HEADERS, 3, fields.subarray(7)));
  await peer.until(/^HEADERS 3 end$/);
  assert.deepEqual(heads, ['/ x=y', '/ x=y']);
});

const floods: readonly (readonly [string, (i: number) => Buffer, string])[] = [
  ['rapid resets', (i) => Buffer.concat([post(2 * i + 1), frame(h2.RST_STREAM, 0, 2 * i + 1, u32(8))]), 'GOAWAY 11'],
  [
    'resets that we are made to send',
    (i) => Buffer.concat([post(2 * i + 1), frame(h2.WINDOW_UPDATE, 0, 2 * i + 1, u32(0))]),
    'GOAWAY 11',
  ],
  ['DATA behind the end', (i) => (i === 0 ? get(1) : frame(h2.DATA, 0, 1, 'x')), 'GOAWAY 11'],
  ['HEADERS behind the end', (i) => get(1 + 2 * (i >> 1)), 'GOAWAY 11'],
  ['WINDOW_UPDATE of 1 on the connection', () => frame(h2.WINDOW_UPDATE, 0, 0, u32(1)), 'GOAWAY 11'],
  ['PING', () => frame(h2.PING, 0, 0, '12345678'), 'GOAWAY 11'],
  ['SETTINGS', () => frame(h2.SETTINGS, 0, 0), 'GOAWAY 11'],
  ['empty DATA', (i) => (i === 0 ? post(1) : frame(h2.DATA, 0, 1)), 'GOAWAY 11'],
  ['PRIORITY', () => frame(h2.PRIORITY, 0, 1, '12345'), 'GOAWAY 11'],
  ['WINDOW_UPDATE of 1', (i) => (i === 0 ? post(1) : frame(h2.WINDOW_UPDATE, 0, 1, u32(1))), 'GOAWAY 11'],
  ['CONTINUATION', (i) => (i === 0 ? frame(h2.HEADERS, 0, 1, 'x') : frame(h2.CONTINUATION, 0, 1, 'x')), 'GOAWAY 11'],
];

for (const [name, make, expected] of floods) {
  test(`http2 frames: a flood of ${name} ends the connection`, async (t) => {
    const peer = await raw(t, (head, stream) => {
      stream.events = deaf;
      if (head.method === 'GET' && name !== 'HEADERS behind the end') answer(head, stream);
    });
    peer.send(hello);
    for (let i = 0; i < 6000 && !peer.seen.includes('closed'); i += 200) {
      peer.send(Buffer.concat(Array.from({ length: 200 }, (_, j) => make(i + j))));
      await sleep(1);
    }
    await peer.until(new RegExp(`^(${expected}|closed)$`));
    assert.ok(peer.seen.length < 4000);
  });
}

test('http2 frames: SETTINGS count the more, the more streams are open', async (t) => {
  const settings = Buffer.concat(Array.from({ length: 200 }, () => frame(h2.SETTINGS, 0, 0)));
  const handler: RequestHandler = (_head, stream) => (stream.events = deaf);
  const idle = await raw(t, handler);
  idle.send(Buffer.concat([hello, settings, frame(h2.PING, 0, 0, '12345678')]));
  await idle.until(/^PING/);
  const busy = await raw(t, handler);
  busy.send(Buffer.concat([hello, ...Array.from({ length: 200 }, (_, i) => post(2 * i + 1)), settings]));
  await busy.until(/^GOAWAY 11$/);
});

test('http2 frames: a paused stream closes its own window and leaves the others theirs', async (t) => {
  let taken = 0;
  const peer = await raw(t, (head, stream) => {
    if (head.headers.includes('stalled')) {
      stream.events = deaf;
      stream.pause();
    } else {
      stream.events = { ...deaf, onData: (chunk) => (taken += chunk.length) };
    }
  });
  peer.send(Buffer.concat([hello, post(1, ['x', 'stalled']), post(3)]));
  const piece = frame(h2.DATA, 0, 1, Buffer.alloc(16_000));
  for (let i = 0; i < 4; i++) peer.send(piece); // 64,000 bytes: within the window of 64 KiB
  const other = frame(h2.DATA, 0, 3, Buffer.alloc(16_000));
  for (let i = 0; i < 60; i++) peer.send(other);
  await peer.until(/^WINDOW_UPDATE 3$/);
  assert.ok(!peer.seen.some((event) => /^(WINDOW_UPDATE|RST) 1/.test(event)));
  for (let i = 0; i < 5; i++) peer.send(piece);
  await peer.until(/^RST 1 3$/);
  while (taken < 960_000) await sleep(2);
});

test('http2 frames: a reader that took no more than the next hop can swallow gets no wider window', async (t) => {
  const windows: number[] = [];
  let taken = 0;
  const peer = await raw(
    t,
    (_head, stream) => {
      const onData = (chunk: Buffer) => void ((taken += chunk.length) >= 64_000 && stream.pause());
      stream.events = { ...deaf, onData };
    },
    windows,
  );
  peer.send(Buffer.concat([hello, post(1)]));
  for (let i = 0; i < 4; i++) peer.send(frame(h2.DATA, 0, 1, Buffer.alloc(16_000)));
  await peer.until(/^WINDOW_UPDATE 1$/);
  while (taken < 64_000) await sleep(2);
  const given = windows.reduce((sum, window) => sum + window, 0);
  assert.ok(given <= 64_000, `${given} bytes of new window for 64,000 that were read`);
});

test('http2 frames: readers that stand still, however many, leave the connection open to others', async (t) => {
  const peer = await raw(t, (head, stream) => {
    if (head.headers[1] === 'stalled') stream.pause();
    else answer(head, stream);
  });
  peer.send(hello);
  const half = Buffer.alloc(16_384);
  // Each reader first keeps up, so that its window grows, and then stands still: the bytes of all do not fill the connection.
  for (let id = 1; id < 2 * 249; id += 2) {
    const body = Array.from({ length: 4 }, () => frame(h2.DATA, 0, id, half));
    peer.send(Buffer.concat([post(id, ['x', 'stalled']), ...body]));
  }
  peer.send(Buffer.concat([post(601), ...Array.from({ length: 3 }, () => frame(h2.DATA, 0, 601, half))]));
  await peer.until(/^WINDOW_UPDATE 601$/);
  peer.send(frame(h2.DATA, h2.END_STREAM, 601, half));
  await peer.until(/^HEADERS 601/);
  assert.ok(!peer.seen.some((event) => /^(GOAWAY|RST)/.test(event)));
});

test('http2 frames: the window of a reader that keeps up grows to 1 MB and not beyond', async (t) => {
  const windows: number[] = [];
  const peer = await raw(t, (_head, stream) => (stream.events = deaf), windows);
  peer.send(Buffer.concat([hello, post(1)]));
  let sent = 0;
  const window = () => 65_536 - sent + windows.reduce((sum, more) => sum + more, 0);
  const widest: number[] = [];
  for (let i = 0; i < 400; i++) {
    while (window() < 16_384) await sleep(1);
    peer.send(frame(h2.DATA, 0, 1, Buffer.alloc(16_384)));
    sent += 16_384;
    if (i % 20 === 0) await sleep(1);
    widest.push(window());
  }
  await peer.until(/^WINDOW_UPDATE 1$/);
  assert.ok(Math.max(...widest) > 900_000 && Math.max(...widest) <= 1024 * 1024);
});

test('http2 server: a peer that opens many streams at once yields to others', async (t) => {
  let opened = 0;
  let whenOthersHadTheirTurn = 0;
  const peer = await raw(t, (head, stream) => {
    if (opened++ === 0) setImmediate(() => (whenOthersHadTheirTurn = opened));
    answer(head, stream);
  });
  peer.send(Buffer.concat([hello, ...Array.from({ length: 1000 }, (_, i) => get(2 * i + 1))]));
  await peer.until(/^HEADERS 1999 end$/);
  assert.equal(opened, 1000);
  assert.ok(whenOthersHadTheirTurn <= 100);
});

/** Hears uploads; answers each when it has ended. */
function listener(heard: (piece: Buffer) => void): RequestHandler {
  return (head, stream) => {
    answer(head, stream);
    stream.events = { ...stream.events, onData: heard };
  };
}

test('http2 server: tiny DATA frames that follow each other are heard as one piece', async (t) => {
  const pieces: string[] = [];
  const peer = await raw(
    t,
    listener((piece) => pieces.push(piece.toString('latin1'))),
  );
  const text = Array.from({ length: 1000 }, (_, i) => String.fromCharCode(33 + (i % 90)));
  const tiny = text.map((byte) => frame(h2.DATA, 0, 1, byte));
  const others = [frame(h2.DATA, 0, 3, 'other'), frame(h2.DATA, h2.PADDED, 1, '\x02padded\0\0'), frame(h2.DATA, 0, 1)];
  peer.send(Buffer.concat([hello, post(1), post(3), ...tiny, ...others, frame(h2.DATA, h2.END_STREAM, 1, 'end')]));
  await peer.until(/^HEADERS 1 end$/);
  assert.equal(pieces.join(''), `${text.join('')}otherpaddedend`);
  assert.ok(pieces.length < 10, `${pieces.length} pieces`);
});

test('http2 server: a peer that sends many tiny frames yields to others', async (t) => {
  let heard = 0;
  let whenOthersHadTheirTurn = 0;
  const peer = await raw(
    t,
    listener(() => {
      if (heard++ === 0) setImmediate(() => (whenOthersHadTheirTurn = heard));
    }),
  );
  const [one, other] = [frame(h2.DATA, 0, 1, 'x'), frame(h2.DATA, 0, 3, 'x')];
  const ends = [frame(h2.DATA, h2.END_STREAM, 1), frame(h2.DATA, h2.END_STREAM, 3)];
  const tiny = Array.from({ length: 2_500 }, () => [one, other]).flat();
  peer.send(Buffer.concat([hello, post(1), post(3), ...tiny, ...ends]));
  await peer.until(/^HEADERS 3 end$/);
  assert.equal(heard, 5_000);
  assert.ok(whenOthersHadTheirTurn <= 2_000);
});

/** Frames that a client connection of ours sends on its streams, until one ends: `TYPE flags length`. */
async function clientFrames(t: TestContext, run: (connection: ClientConnection) => void): Promise<string[]> {
  const frames: string[] = [];
  const server = createServer((socket) => {
    socket.write(frame(h2.SETTINGS, 0, 0));
    let held = Buffer.alloc(0);
    let started = false;
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      if (!started && held.length >= h2.PREFACE.length) {
        held = held.subarray(h2.PREFACE.length);
        started = true;
      }
      while (started && held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
        const type = held[3] === h2.DATA ? 'DATA' : 'HEADERS';
        if (held.readUInt32BE(5) > 0) frames.push(`${type} ${held[4]} ${held.readUIntBE(0, 3)}`);
        held = held.subarray(9 + held.readUIntBE(0, 3));
      }
    });
    t.after(() => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = connect(portOf(server), '127.0.0.1');
  t.after(() => {
    socket.destroy();
    server.close();
  });
  run(http2Client(socket, { limits: defaultLimits, timers: new TimerWheel() }));
  while (!frames.some((line) => / [15] /.test(line))) await sleep(2);
  return frames;
}

const UPLOAD = { ...HEAD, method: 'POST', contentLength: -1 };
const indifferent = { ...deaf, onInformational() {}, onHead() {} };

test('http2 client: small pieces that follow each other share a frame', async (t) => {
  const frames = await clientFrames(t, (connection) => {
    const stream = connection.open(UPLOAD, false, indifferent);
    for (let i = 0; i < 1000; i++) stream.sendData(Buffer.from('x'));
    stream.sendEnd();
  });
  assert.equal(frames[1], 'DATA 1 1000');
});

test('http2 client: a gRPC request without a message ends with an empty DATA frame, as grpc-go wants it', async (t) => {
  const frames = await clientFrames(t, (connection) => connection.open(UPLOAD, false, indifferent).sendEnd());
  assert.match(frames[0]!, /^HEADERS 4 /);
  assert.equal(frames[1], 'DATA 1 0');
});

test('http2 drain: what was on its way when the peer heard of it is served, what comes after is not', async (t) => {
  const held: (() => void)[] = [];
  const peer = await raw(t, (_head, stream) => {
    stream.events = deaf;
    held.push(() => answer(_head, stream));
  });
  const goaways = () => peer.seen.filter((event) => event.startsWith('GOAWAY')).length;
  peer.send(Buffer.concat([hello, get(1)]));
  while (held.length < 1) await sleep(2);
  peer.drain();
  await peer.until(/^PING/);
  assert.equal(goaways(), 1);
  peer.send(Buffer.concat([get(3), frame(h2.PING, h2.ACK, 0, Buffer.alloc(8)), get(5)]));
  assert.equal(await peer.until(/^RST/), 'RST 5 7');
  assert.equal(goaways(), 2);
  assert.equal(held.length, 2);
  assert.ok(!peer.seen.includes('closed'));
});

test('http2 drain: a peer that never answers the PING is not waited for', async (t) => {
  const peer = await raw(t, answer);
  peer.send(hello);
  await peer.until(/^SETTINGS/);
  peer.drain();
  await peer.until(/closed/);
  assert.equal(peer.seen.filter((event) => event.startsWith('GOAWAY')).length, 2);
});
