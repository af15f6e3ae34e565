import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { http1Client } from '../../../src/proxy/codec/http1-client.ts';
import { http1Server } from '../../../src/proxy/codec/http1-server.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type { Headers, RequestHead, ResponseHead, ServerStream } from '../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import type { ProxyError } from '../../../src/proxy/error.ts';
import { cuts, escape, quiet, readVectors, wire, type Vector } from './vectors.ts';
import { overwriteLentMemory } from './lent-memory.ts';
import { plainRequest } from './plain-request.ts';

overwriteLentMemory();

const timers = new TimerWheel();

function fields(headers: Headers): string {
  const pairs: string[] = [];
  for (let i = 0; i < headers.length; i += 2) pairs.push(`${headers[i]}=${headers[i + 1]}`);
  return escape(`[${pairs.join(' ')}]`);
}

function behind(trailers: Headers | undefined): string {
  return (trailers ?? []).map((part, i) => (i % 2 === 0 ? ` ^${part}` : `=${part}`)).join('');
}

function quoted(parts: readonly Buffer[]): string {
  return `"${escape(Buffer.concat(parts).toString('latin1'))}"`;
}

/** What a handler sees of one request, and how it answers. */
function record(head: RequestHead, stream: ServerStream, log: string[]): void {
  const to = head.destination === undefined ? head.authority : `${head.authority}@${head.destination}`;
  const start = `${head.method} ${head.path} ${to} ${fields(head.headers)}`;
  const tunnel = head.method === 'CONNECT' || head.protocol !== undefined;
  const parts: Buffer[] = [];
  const at = tunnel ? log.push(`${start} tunnel`) : -1;
  stream.events = {
    onData(chunk) {
      parts.push(Buffer.from(chunk));
      if (tunnel) log[at] = `data ${quoted(parts)}`;
    },
    onEnd(trailers) {
      log.push(`${start} ${quoted(parts)}${behind(trailers)}`);
      stream.sendHead({ status: 200, headers: [], contentLength: 0 });
      stream.sendEnd();
    },
    onError: (error: ProxyError) => log.push(`error ${error.code}`),
    onWritable() {},
  };
  if (tunnel) stream.sendHead({ status: 200, headers: [], contentLength: -1 });
}

async function serve(vector: Vector, pieces: readonly Buffer[]): Promise<string[]> {
  const { codec, peer } = wire();
  const log: string[] = [];
  let reply = '';
  let ended = false;
  http1Server(codec, {
    limits: defaultLimits,
    timers,
    explicitProxy: vector.options.has('explicit'),
    handler: (head, stream) => record(head, stream, log),
  });
  peer.on('data', (bytes: Buffer) => (reply += bytes.toString('latin1')));
  peer.on('end', () => (ended = true));
  await feed(peer, pieces, vector);
  if (reply !== '')
    for (const [, status, head] of reply.matchAll(/HTTP\/1\.1 (\d{3}) [^\r]*([\s\S]*?)\r\n\r\n/g)) {
      const reason = /x-weft-reason: (\w+)/.exec(head!)?.[1];
      log.push(reason === undefined ? status! : `${status} ${reason}`);
    }
  if (ended) log.push('close');
  const seen = [...log];
  codec.destroy();
  peer.destroy();
  return seen;
}

async function ask(vector: Vector, pieces: readonly Buffer[]): Promise<string[]> {
  const { codec, peer } = wire();
  const log: string[] = [];
  const parts: Buffer[] = [];
  let line = '';
  const connection = http1Client(codec, { limits: defaultLimits, timers });
  peer.resume();
  const upgrade = vector.options.has('upgrade');
  const head = plainRequest('1.1', {
    method: vector.options.has('head') ? 'HEAD' : 'GET',
    headers: upgrade ? ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='] : [],
    protocol: upgrade ? 'websocket' : undefined,
  });
  connection.open(head, !upgrade, {
    onInformational: (interim: ResponseHead) => log.push(`~${interim.status} ${fields(interim.headers)}`),
    onHead: (answer) => (line = `${answer.status} ${fields(answer.headers)} `),
    onData: (chunk) => parts.push(Buffer.from(chunk)),
    onEnd: (trailers) => {
      log.push(`${line}${quoted(parts)}${behind(trailers)}`);
      line = '';
    },
    onError: (error) => {
      log.push(`${line === '' ? '' : `${line}${quoted(parts)} `}error ${error.code}`);
      line = '';
    },
    onWritable() {},
  });
  await feed(peer, pieces, vector);
  if (line !== '') log.push(`${line}${quoted(parts)} open`);
  log.push(connection.gone ? 'gone' : 'reusable');
  const seen = [...log];
  codec.destroy();
  peer.destroy();
  return seen;
}

async function feed(peer: Duplex, pieces: readonly Buffer[], vector: Vector): Promise<void> {
  for (const piece of pieces) {
    if (peer.writable) peer.write(piece);
    await quiet(1);
  }
  if (vector.options.has('eof')) peer.end();
  await quiet();
}

for (const [file, run] of [
  ['requests-framing.txt', serve],
  ['requests-head.txt', serve],
  ['responses.txt', ask],
] as const) {
  for (const vector of readVectors(file)) {
    test(`http1 ${file}: ${vector.name}`, async () => {
      assert.notEqual(vector.expected.length, 0, 'the vector expects nothing');
      assert.deepEqual(await run(vector, [vector.bytes]), vector.expected, 'fed whole');
      const ways = cuts(vector.bytes);
      const seen = await Promise.all(ways.map((pieces) => run(vector, pieces)));
      for (const [i, events] of seen.entries()) {
        assert.deepEqual(events, vector.expected, i === 1 ? 'byte by byte' : `cut behind byte ${ways[i]![0]!.length}`);
      }
    });
  }
}

test('http1 vectors: there are at least 200, of both kinds', () => {
  const all = ['requests-framing.txt', 'requests-head.txt', 'responses.txt'].flatMap((file) =>
    readVectors(file).map((v) => ({ ...v, name: `${file} ${v.name}` })),
  );
  const refused = all.filter((v) => v.expected.some((e) => /BAD_REQUEST|error|[45]\d\d [A-Z]/.test(e)));
  assert.ok(all.length >= 200 && refused.length > 100 && all.length - refused.length > 60);
  assert.equal(new Set(all.map((v) => v.name)).size, all.length, 'names are unique');
});
