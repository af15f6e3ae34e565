import assert from 'node:assert/strict';
import { HpackDecoder } from '../../../../src/proxy/codec/hpack-decoder.ts';
import { HpackEncoder } from '../../../../src/proxy/codec/hpack-encoder.ts';
import { http2Client } from '../../../../src/proxy/codec/http2-client.ts';
import * as h2 from '../../../../src/proxy/codec/http2-frames.ts';
import { http2Server } from '../../../../src/proxy/codec/http2-server.ts';
import { defaultLimits } from '../../../../src/proxy/codec/limits.ts';
import type { HttpStream, RequestHead, StreamEvents } from '../../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../../src/proxy/codec/timer-wheel.ts';
import { readCorpus } from './corpus.ts';
import { HandSocket } from './hand-socket.ts';
import { pieces } from './mutated.ts';
import type { FuzzTarget } from './target.ts';
import { plainRequest } from '../plain-request.ts';

const timers = new TimerWheel();
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const limits = { maxListBytes: 64 * 1024, maxFields: 100 };

const hpack: FuzzTarget = {
  name: 'HPACK decoder',
  corpus: 'hpack.hex',
  seeds: [],
  words: [
    '82',
    '84',
    'be',
    '40',
    '0f',
    '20',
    '3fe11f',
    '8286',
    '410f',
    '7f',
    'ff',
    '00',
    '400161',
    '8cf1e3c2e5f23a6ba0ab90f4ff',
  ].map(hex),
  check(bytes, cuts) {
    const [decoder, other] = [new HpackDecoder(), new HpackDecoder()];
    const [encoder, mirror] = [new HpackEncoder(), new HpackDecoder()];
    for (const block of pieces(bytes, cuts)) {
      const fields: string[] = [];
      const error = decoder.decode(block, limits, fields);
      const section = other.section(block, 0, block.length, limits);
      if (error !== undefined) {
        assert.equal(section, error);
        if (error === 'broken') return;
        continue;
      }
      assert.ok(typeof section === 'object');
      assert.deepEqual(section.fields, fields, 'a block that is remembered is another');
      const size = fields.reduce((sum, text) => sum + text.length + 16, 0);
      assert.ok(size <= limits.maxListBytes && fields.length <= 2 * limits.maxFields, `${size} bytes`);
      const again: string[] = [];
      assert.equal(mirror.decode(encoder.encode(fields), limits, again), undefined);
      assert.deepEqual(again, fields, 'written and read');
    }
  },
};

/** What a stream hears, in one line, however it is cut. */
function record(stream: number, log: Map<number, string>, onEnd: () => void): StreamEvents {
  let body = '';
  const say = (text: string) => log.set(stream, `${log.get(stream) ?? ''} ${text}`);
  return {
    onData: (chunk) => void (body += chunk.toString('latin1')),
    onEnd(trailers) {
      say(`${JSON.stringify(body)} end ${JSON.stringify(trailers)}`);
      onEnd();
    },
    onError: (error) => void say(`${JSON.stringify(body)} ${error.code}`),
    onWritable() {},
  };
}

/** What was written, without what depends on when: resets, the end of streams, bytes of each stream, GOAWAY. */
function summary(written: string): string[] {
  const bytes = Buffer.from(written, 'latin1');
  const out = new Map<string, number>();
  const events: string[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    const [type, flags, id] = [bytes[at + 3]!, bytes[at + 4]!, bytes.readUInt32BE(at + 5)];
    const payload = bytes.subarray(at + 9, at + 9 + length);
    at += 9 + length;
    if (type === h2.DATA) out.set(`data ${id}`, (out.get(`data ${id}`) ?? 0) + length);
    if (type === h2.RST_STREAM) events.push(`reset ${id} ${payload.readUInt32BE(0)}`);
    if (type === h2.GOAWAY) events.push(`goaway ${payload.readUInt32BE(0)} ${payload.readUInt32BE(4)}`);
    if ((type === h2.DATA || type === h2.HEADERS) && (flags & h2.END_STREAM) !== 0) events.push(`end ${id}`);
    if (type === h2.PING || type === h2.SETTINGS) events.push(`${type} ${flags}`);
  }
  return [...events, ...[...out].map((entry) => entry.join(' '))];
}

async function feed(hand: HandSocket, parts: readonly Buffer[]): Promise<void> {
  for (const part of parts) {
    hand.feed(part);
    await new Promise(setImmediate);
  }
  await new Promise(setImmediate);
}

async function served(parts: readonly Buffer[]): Promise<unknown> {
  const hand = new HandSocket();
  const log = new Map<number, string>();
  let streams = 0;
  const handler = (head: RequestHead, stream: HttpStream & { sendHead(head: object): void }) => {
    const n = ++streams;
    log.set(n, JSON.stringify(head));
    stream.events = record(n, log, () => {
      stream.sendHead({ status: 200, headers: ['x-a', 'b'], contentLength: 5 });
      stream.sendData(Buffer.from('hello'));
      stream.sendEnd();
    });
  };
  http2Server(hand.socket, { handler, limits: defaultLimits, timers, connect: true });
  await feed(hand, parts);
  const seen = [...log, summary(hand.written), hand.destroyed];
  hand.destroy();
  return seen;
}

const PREFACE_AND_SETTINGS = Buffer.concat([h2.PREFACE, h2.settingsFrame([])]);

const server: FuzzTarget = {
  name: 'frame machine, server',
  corpus: 'frames-server.hex',
  seeds: [],
  words: frameWords(),
  async check(bytes, cuts) {
    const input = Buffer.concat([PREFACE_AND_SETTINGS, bytes]);
    assert.deepEqual(await served(pieces(input, cuts)), await served([input]));
  },
};

/** Frames of every kind, so that edits keep the framing more often than not. */
function frameWords(): Buffer[] {
  const frame = (type: number, flags: number, id: number, payload: Buffer) =>
    Buffer.concat([h2.frameHeader(type, flags, id, payload.length), payload]);
  const get = hex('8286 8441 0161');
  const all: Buffer[] = [hex('82'), hex('00'), hex('ff'), hex('01'), hex('04'), hex('08')];
  for (const id of [0, 1, 3, 5]) {
    all.push(frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, id, get), frame(h2.HEADERS, h2.END_HEADERS, id, get));
    all.push(frame(h2.HEADERS, 0, id, get), frame(h2.CONTINUATION, h2.END_HEADERS, id, get));
    all.push(
      frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, id, hex('88')),
      frame(h2.HEADERS, h2.END_HEADERS, id, hex('88')),
    );
    all.push(frame(h2.DATA, 0, id, Buffer.from('abc')), frame(h2.DATA, h2.END_STREAM, id, Buffer.alloc(0)));
    all.push(frame(h2.DATA, h2.PADDED, id, hex('02 61 0000')), frame(h2.RST_STREAM, 0, id, hex('00000008')));
    all.push(frame(h2.WINDOW_UPDATE, 0, id, hex('00000001')), frame(h2.WINDOW_UPDATE, 0, id, hex('7fffffff')));
    all.push(frame(h2.PRIORITY, 0, id, hex('0000000010')), frame(h2.SETTINGS, 0, id, hex('000400000000')));
    all.push(frame(h2.SETTINGS, 0, id, hex('00010000ffff')), frame(h2.PING, 0, id, Buffer.alloc(8)));
    all.push(frame(h2.GOAWAY, 0, id, hex('0000000000000000')), frame(h2.PUSH_PROMISE, 4, id, hex('0000000282')));
    all.push(frame(0x55, 0xff, id, Buffer.from('?')));
  }
  return all;
}

async function asked(parts: readonly Buffer[]): Promise<unknown> {
  const hand = new HandSocket();
  const log = new Map<number, string>();
  const connection = http2Client(hand.socket, { limits: defaultLimits, timers });
  for (const n of [1, 2, 3]) {
    if (connection.capacity() === 0) break;
    const head = plainRequest('2', { method: 'POST', contentLength: -1 });
    const events = record(n, log, () => {});
    const stream = connection.open(head, false, {
      ...events,
      onInformational: (interim) => void log.set(n, `${log.get(n) ?? ''} ${JSON.stringify(interim)}`),
      onHead: (answer) => void log.set(n, `${log.get(n) ?? ''} ${JSON.stringify(answer)}`),
    });
    stream.sendData(Buffer.alloc(10, 'x'));
    if (n < 3) stream.sendEnd();
  }
  await feed(hand, parts);
  const seen = [...log, summary(hand.written.slice(h2.PREFACE.length)), hand.destroyed, connection.active];
  hand.destroy();
  await new Promise(setImmediate);
  assert.ok(connection.gone);
  assert.equal(connection.active, 0, 'streams outlive their connection');
  return seen;
}

const client: FuzzTarget = {
  name: 'frame machine, client',
  corpus: 'frames-client.hex',
  seeds: [],
  words: frameWords(),
  async check(bytes, cuts) {
    const input = Buffer.concat([h2.settingsFrame([]), bytes]);
    assert.deepEqual(await asked(pieces(input, cuts)), await asked([input]));
  },
};

export const HTTP2_TARGETS: readonly FuzzTarget[] = [hpack, server, client].map((target) => ({
  ...target,
  seeds: [...target.seeds, ...readCorpus(target.corpus)],
}));
