import assert from 'node:assert/strict';
import { ChunkedDecoder } from '../../../../src/proxy/codec/chunked.ts';
import { encodeLastChunk, encodeRequest, encodeResponse } from '../../../../src/proxy/codec/http1-encode.ts';
import { FieldBlock } from '../../../../src/proxy/codec/http1-fields.ts';
import { http1Client } from '../../../../src/proxy/codec/http1-client.ts';
import { readRequestHead } from '../../../../src/proxy/codec/http1-request.ts';
import { readResponseHead } from '../../../../src/proxy/codec/http1-response.ts';
import { http1Server } from '../../../../src/proxy/codec/http1-server.ts';
import { defaultLimits } from '../../../../src/proxy/codec/limits.ts';
import type { Headers, RequestHead, ServerStream } from '../../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../../src/proxy/codec/timer-wheel.ts';
import { readVectors } from '../vectors.ts';
import { readCorpus } from './corpus.ts';
import { HandSocket } from './hand-socket.ts';
import { pieces } from './mutated.ts';
import { words, type FuzzTarget } from './target.ts';
import { plainRequest } from '../plain-request.ts';

const SMALL = 2000;
const requests = [...readVectors('requests-head.txt'), ...readVectors('requests-framing.txt')].map((v) => v.bytes);
const responses = readVectors('responses.txt').map((v) => v.bytes);
const small = (inputs: readonly Buffer[]) => inputs.filter((bytes) => bytes.length < SMALL);

const WORDS = words(
  ...[
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    ' ',
    '\t',
    ':',
    ',',
    ';',
    '\0',
    '\x7f',
    '\xa0',
    '"',
    '0\r\n\r\n',
    '5\r\nhello\r\n',
  ],
  ...[
    'Content-Length: 5\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Host: b\r\n',
    'Connection: close\r\n',
    'HTTP/1.0',
    'http://a',
  ],
  ...[
    'Upgrade: websocket\r\nConnection: upgrade\r\n',
    'Expect: 100-continue\r\n',
    'Connection: te\r\nTE: trailers\r\n',
  ],
);

const timers = new TimerWheel();

/** Everything up to the empty line, without it, as the readers want it. */
function headText(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  return end === -1 ? `${text}\r\n` : text.slice(0, end + 2);
}

/** Fields that the codec says by itself are left out, and so is the order of `te`. */
function sorted(headers: Headers): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'content-length') pairs.push(`${headers[i]}: ${headers[i + 1]}`);
  }
  return pairs.sort();
}

const requestHead: FuzzTarget = {
  name: 'request head',
  corpus: 'request-head.txt',
  seeds: small(requests),
  words: WORDS,
  check(bytes) {
    const rules = { limits: defaultLimits, scheme: 'http', explicitProxy: false } as const;
    const head = readRequestHead(headText(bytes), new FieldBlock(), rules);
    if (typeof head === 'string' || head.authority === '') return;
    const length =
      head.contentLength === 0 && !head.headers.includes('content-length') ? undefined : head.contentLength;
    const again = readRequestHead(encodeRequest(head, length).slice(0, -2), new FieldBlock(), rules);
    assert.ok(typeof again === 'object', `what was accepted is refused when it is written: ${again as string}`);
    const plain = ({ method, path, authority, protocol, contentLength, headers }: RequestHead) => ({
      ...{ method, path, authority, protocol, contentLength },
      headers: sorted(headers),
    });
    assert.deepEqual(plain(again), plain(head));
  },
};

const responseHead: FuzzTarget = {
  name: 'response head',
  corpus: 'response-head.txt',
  seeds: small(responses),
  words: WORDS,
  check(bytes) {
    const asked = { headRequest: false, tunnel: undefined };
    const frame = { length: 0, persistent: false };
    const head = readResponseHead(headText(bytes), new FieldBlock(), defaultLimits, asked, frame);
    if (typeof head === 'string' || head.status < 200) return;
    const bodiless = head.status === 204 || head.status === 304;
    const text = encodeResponse(head, bodiless ? undefined : frame.length, 'default');
    const other = { length: 0, persistent: false };
    const again = readResponseHead(text.slice(0, -2), new FieldBlock(), defaultLimits, asked, other);
    assert.ok(typeof again === 'object', `what was accepted is refused when it is written: ${again as string}`);
    assert.deepEqual(
      [again.status, sorted(again.headers), other.length],
      [head.status, sorted(head.headers), frame.length],
    );
  },
};

interface Decoded {
  readonly body: string;
  readonly error: boolean;
  readonly done: boolean;
  readonly trailers: Headers | undefined;
  readonly left: string;
}

function decode(parts: readonly Buffer[]): Decoded {
  const decoder = new ChunkedDecoder();
  let [body, left] = ['', ''];
  const sink = {
    onChunk(piece: Buffer): boolean {
      body += piece.toString('latin1');
      return body.length % 3 !== 0; // stops now and then, as a paused stream does
    },
  };
  for (const part of parts) {
    let at = 0;
    while (at < part.length && !decoder.done && decoder.error === undefined) at = decoder.decode(part, at, sink);
    left += part.toString('latin1', at);
  }
  const error = decoder.error !== undefined;
  return { body: error ? '' : body, error, done: decoder.done, trailers: decoder.trailers, left: error ? '' : left };
}

const chunked: FuzzTarget = {
  name: 'chunked decoder',
  corpus: 'chunked.txt',
  seeds: requests
    .filter((bytes) => bytes.includes('chunked\r\n\r\n') && bytes.length < SMALL)
    .map((bytes) => bytes.subarray(bytes.indexOf('\r\n\r\n') + 4)),
  words: words(
    '0',
    '5',
    'f',
    ';',
    'a=b',
    '"',
    '\r\n',
    '\r',
    '\n',
    ' ',
    '\t',
    '0\r\n',
    '\r\n\r\n',
    '0\r\n\r\n',
    'x: y\r\n',
    '\0',
  ),
  check(bytes, cuts) {
    const whole = decode([bytes]);
    assert.deepEqual(decode(pieces(bytes, cuts)), whole, 'in pieces');
    assert.ok(whole.body.length <= bytes.length);
    if (!whole.done || whole.error) return;
    const { body, trailers } = whole;
    const chunk = body === '' ? '' : `${body.length.toString(16)}\r\n${body}\r\n`;
    const again = Buffer.from(chunk + encodeLastChunk(trailers), 'latin1');
    assert.deepEqual(decode([again]), { ...whole, left: '' }, 'written and read');
  },
};

/** What the handler of a server hears. */
async function served(parts: readonly Buffer[]): Promise<string[]> {
  const hand = new HandSocket();
  const log: string[] = [];
  http1Server(hand.socket, { limits: defaultLimits, timers, handler: (head, stream) => hear(head, stream, log) });
  await feed(hand, parts);
  for (const [, status, rest = ''] of hand.written.matchAll(/HTTP\/1\.1 (\d{3}) [^\r]*([^]*?)\r\n\r\n/g)) {
    log.push(`${status} ${/x-weft-reason: (\w+)/.exec(rest)?.[1] ?? ''}`);
  }
  const seen = [...log];
  hand.destroy();
  return seen;
}

function hear(head: RequestHead, stream: ServerStream, log: string[]): void {
  const at = log.push('') - 1;
  let body = '';
  const say = (end: string) => (log[at] = JSON.stringify([head, body, end]));
  const answer = (status: number) => {
    stream.sendHead({ status, headers: [], contentLength: 0 });
    stream.sendEnd();
  };
  stream.events = {
    onData(chunk) {
      body += chunk.toString('latin1');
      say('open');
    },
    onEnd(trailers) {
      say(`end ${JSON.stringify(trailers)}`);
      answer(200);
    },
    onError: (error) => void say(error.code),
    onWritable() {},
  };
  say('open');
  if (head.protocol !== undefined) answer(403);
}

async function feed(hand: HandSocket, parts: readonly Buffer[]): Promise<void> {
  for (const part of parts) {
    hand.feed(part);
    await new Promise(setImmediate);
  }
}

const server: FuzzTarget = {
  name: 'HTTP/1 server connection',
  corpus: 'http1-server.txt',
  seeds: small(requests),
  words: [...WORDS, ...words('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')],
  async check(bytes, cuts) {
    assert.deepEqual(await served(pieces(bytes, cuts)), await served([bytes]));
  },
};

async function asked(parts: readonly Buffer[]): Promise<string[]> {
  const hand = new HandSocket();
  const log: string[] = [];
  let body = '';
  const connection = http1Client(hand.socket, { limits: defaultLimits, timers });
  connection.open(plainRequest('1.1'), true, {
    onInformational: (interim) => log.push(JSON.stringify(interim)),
    onHead: (answer) => log.push(JSON.stringify(answer)),
    onData: (chunk) => void (body += chunk.toString('latin1')),
    onEnd: (trailers) => log.push(`end ${JSON.stringify(trailers)}`),
    onError: (error) => log.push(error.code),
    onWritable() {},
  });
  await feed(hand, parts);
  hand.feedEnd();
  await new Promise(setImmediate);
  log.push(JSON.stringify(body), connection.gone ? 'gone' : 'reusable');
  hand.destroy();
  return log;
}

const client: FuzzTarget = {
  name: 'HTTP/1 client connection',
  corpus: 'http1-client.txt',
  seeds: small(responses),
  words: WORDS,
  async check(bytes, cuts) {
    assert.deepEqual(await asked(pieces(bytes, cuts)), await asked([bytes]));
  },
};

export const HTTP1_TARGETS: readonly FuzzTarget[] = [requestHead, responseHead, chunked, server, client].map(
  (target) => ({
    ...target,
    seeds: [...target.seeds, ...readCorpus(target.corpus)],
  }),
);
