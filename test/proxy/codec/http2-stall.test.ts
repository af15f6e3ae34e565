import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HpackEncoder } from '../../../src/proxy/codec/hpack-encoder.ts';
import { deaf } from '../../../src/proxy/codec/http1-server-stream.ts';
import { http2Client } from '../../../src/proxy/codec/http2-client.ts';
import * as h2 from '../../../src/proxy/codec/http2-frames.ts';
import { http2Server } from '../../../src/proxy/codec/http2-server.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type { RequestHandler } from '../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import { HandSocket } from './fuzz/hand-socket.ts';
import { plainRequest } from './plain-request.ts';

const limits = { ...defaultLimits, stallTimeoutMs: 40 };

function wheel(t: TestContext): TimerWheel {
  const timers = new TimerWheel(5);
  t.after(() => timers.stop());
  return timers;
}

function frame(type: number, flags: number, id: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1');
  return Buffer.concat([h2.frameHeader(type, flags, id, bytes.length), bytes]);
}

function head(id: number, fields: readonly string[], end = false): Buffer {
  const encoder = new HpackEncoder();
  encoder.setMaxTable(0);
  return frame(h2.HEADERS, h2.END_HEADERS | (end ? h2.END_STREAM : 0), id, encoder.encode(fields));
}

const request = (method: string, ...more: string[]) => [
  ...[':method', method, ':scheme', 'http', ':path', '/', ':authority', 'a'],
  ...more,
];
const reset = (id: number, code: number) =>
  `\x00\x00\x04\x03\x00\x00\x00\x00${String.fromCharCode(id)}\0\0\0${String.fromCharCode(code)}`;

async function eventually(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 5000 && !holds(); i++) await sleep(2);
  assert.ok(holds(), 'it never came');
}

/** A server connection of ours, and what its handler was told of broken streams. */
function serve(t: TestContext, handler: RequestHandler, hand = new HandSocket(), settings: readonly number[] = []) {
  const errors: string[] = [];
  http2Server(hand.socket, {
    limits,
    timers: wheel(t),
    connect: true,
    handler(requestHead, stream) {
      stream.events = { ...deaf, onError: (error) => void errors.push(error.code) };
      handler(requestHead, stream);
    },
  });
  t.after(() => hand.destroy());
  hand.feed(Buffer.concat([h2.PREFACE, h2.settingsFrame(settings)]));
  return { hand, errors };
}

test('http2 server: a peer that never opens the window for its answer loses the stream, and nothing else', async (t) => {
  const noWindow = [h2.SETTINGS_INITIAL_WINDOW_SIZE, 0];
  const answer: RequestHandler = (_head, stream) => {
    stream.sendHead({ status: 200, headers: [], contentLength: 3 });
    stream.sendData(Buffer.from('abc'));
  };
  const { hand, errors } = serve(t, answer, undefined, noWindow);
  hand.feed(head(1, request('GET'), true));
  await eventually(() => errors.length > 0);
  assert.deepEqual(errors, ['DOWNSTREAM_RESET']);
  await eventually(() => hand.written.includes(reset(1, h2.CANCEL)));
  assert.equal(hand.destroyed, false);
  hand.feed(Buffer.concat([head(3, request('GET'), true), frame(h2.WINDOW_UPDATE, 0, 3, Buffer.from([0, 0, 0, 9]))]));
  await eventually(() => hand.written.endsWith('abc'));
});

test('http2 server: an answer that was given to its end, and cannot leave, is forgotten too', async (t) => {
  const answer: RequestHandler = (_head, stream) => {
    stream.sendHead({ status: 200, headers: [], contentLength: 3 });
    stream.sendData(Buffer.from('abc'));
    stream.sendEnd();
  };
  const { hand } = serve(t, answer, undefined, [h2.SETTINGS_INITIAL_WINDOW_SIZE, 0]);
  hand.feed(head(1, request('GET'), true));
  await eventually(() => hand.written.includes(reset(1, h2.CANCEL)));
});

test('http2 server: a body that was promised and does not come is given up; one of unknown length, and a tunnel, may be silent', async (t) => {
  const { hand, errors } = serve(t, (requestHead, stream) => {
    if (requestHead.method === 'CONNECT') stream.sendHead({ status: 200, headers: [], contentLength: -1 });
  });
  hand.feed(Buffer.concat([head(1, request('POST')), head(3, [':method', 'CONNECT', ':authority', 'a:1'])]));
  for (const id of [5, 7, 9]) {
    hand.feed(Buffer.concat([head(id, request('POST', 'content-length', '5')), frame(h2.DATA, 0, id, 'ab')]));
    await eventually(() => hand.written.includes(reset(id, h2.CANCEL)));
  }
  assert.deepEqual(errors, Array(3).fill('DOWNSTREAM_RESET'));
  assert.equal(hand.destroyed, false);
});

test('http2 client: a server that takes no more of a request loses the stream', async (t) => {
  const hand = new HandSocket();
  t.after(() => hand.destroy());
  const connection = http2Client(hand.socket, { limits, timers: wheel(t) });
  hand.feed(h2.settingsFrame([h2.SETTINGS_INITIAL_WINDOW_SIZE, 0]));
  const errors: string[] = [];
  const events = {
    ...deaf,
    onHead() {},
    onInformational() {},
    onError: (error: { code: string }) => void errors.push(error.code),
  };
  const stream = connection.open(plainRequest('2', { method: 'POST', contentLength: -1 }), false, events);
  stream.sendData(Buffer.from('abc'));
  await eventually(() => errors.length > 0);
  assert.deepEqual(errors, ['UPSTREAM_RESET']);
  assert.equal(connection.active, 0);
  assert.equal(connection.gone, false);
});

/** Takes nothing from us. */
class DeafSocket extends HandSocket {
  override _write(): void {}
}

test('http2 server: a socket that takes nothing any more is closed, PING or not', async (t) => {
  const answer: RequestHandler = (_head, stream) => {
    stream.sendHead({ status: 200, headers: [], contentLength: -1 });
    stream.sendData(Buffer.alloc(60_000));
  };
  const { hand, errors } = serve(t, answer, new DeafSocket());
  hand.feed(frame(h2.WINDOW_UPDATE, 0, 0, Buffer.from([0x10, 0, 0, 0])));
  for (const id of [1, 3, 5]) hand.feed(head(id, request('GET'), true));
  await eventually(() => {
    hand.feed(frame(h2.PING, 0, 0, Buffer.alloc(8)));
    return hand.destroyed;
  });
  assert.deepEqual(errors, Array(3).fill('DOWNSTREAM_RESET'));
});
