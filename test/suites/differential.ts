import { METHODS as METHODS_OF_NODE } from 'node:http';
import { normaliseTarget } from '../../src/mesh/path.ts';
import { escape } from '../proxy/codec/vectors.ts';
import { makeInput, type Input } from './differential/grammar.ts';
import { ORIGINS, REFUSED_UPGRADE, type Logged, type Origin, type OriginKind } from './differential/origins.ts';
import { exchange, type Answer, type Exchange } from './differential/raw-exchange.ts';
import { readingOf, type Reading, type Understood } from './differential/reading.ts';
import { startPair } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';

/** Reported one by one; of a broken codec nearly everything is wrong. */
const MOST_FAILURES = 20;

/**
 * Ambiguous requests, the same to Weft's codec, through the pair to real servers, and straight to them: what Weft lets
 * through must be the same number of requests with the same bodies to everybody.
 */
export const differential: Suite = {
  name: 'differential',
  title: 'ambiguous requests as Weft and real servers understand them, through a pair and straight',
  async run(context) {
    for (const kind of ORIGINS) {
      const version = kind.version();
      if ('missing' in version) context.skip(kind.name, version.missing);
      else await judgeOrigin(context, kind, version.found);
    }
  },
};

async function judgeOrigin(context: SuiteContext, kind: OriginKind, version: string): Promise<void> {
  const origin = await kind.start(context);
  const { port, a, b } = await startPair(context, { appPort: origin.port });
  const through = await judgeAll(context, `${kind.name} through the pair`, (input, n) =>
    throughPair(origin, port, input, n),
  );
  if (a.exitCode !== null || b.exitCode !== null) context.fail(kind.name, 'a sidecar is gone');
  const straight = await judgeAll(context, `${kind.name} straight`, (input, n) => straightTo(kind, origin, input, n));
  context.note(`${kind.name} ${version}: ${through} requests reached it through the pair, ${straight} straight`);
}

/** What came out of one input. */
interface Verdict {
  readonly why?: string | undefined;
  /** It is the origin that differs from everybody. */
  readonly known?: string | undefined;
  readonly reached: number;
}

async function judgeAll(
  context: SuiteContext,
  label: string,
  judge: (input: Input, n: number) => Promise<Verdict>,
): Promise<number> {
  const { count, seed } = context.options;
  const failedBefore = context.failed;
  let total = 0;
  for (let n = 0; n < count; n++) {
    const input = makeInput(seed, n);
    const name = `${label} ${n}: ${input.name}`;
    if (!context.wants(name)) continue;
    const { why, known, reached } = await judge(input, n);
    total += reached;
    if (why === undefined) context.pass(name);
    else if (known !== undefined) context.skip(name, known);
    else context.fail(name, `${why}\nsent: ${escape(input.bytes.toString('latin1'))}`);
    if (context.failed - failedBefore < MOST_FAILURES) continue;
    context.note(`${label}: and so on; stopped at ${n}`);
    break;
  }
  return total;
}

async function throughPair(origin: Origin, port: number, input: Input, n: number): Promise<Verdict> {
  const whole = Buffer.concat([input.bytes, input.canary]);
  const reading = await readingOf(whole);
  const inOne = [{ bytes: whole, answers: reading.answers }];
  const pieces = n % 2 === 0 ? inOne : ((await inTwo(input, reading)) ?? inOne);
  const got = await exchange(port, pieces, methodsOf(reading));
  const seen = await origin.log.taken();
  const why = judgeThrough(reading, got, seen);
  return { reached: seen.length, why: why === undefined ? undefined : `${why}\n${views(reading, got, seen)}` };
}

async function straightTo(kind: OriginKind, origin: Origin, input: Input, n: number): Promise<Verdict> {
  const bytes = Buffer.concat([input.bytes, input.canary]);
  const reading = await readingOf(bytes);
  const answers = reading.requests.filter((request) => request.complete).length;
  if (answers === 0) return { reached: 0 }; // Weft lets nothing through
  const got = await exchange(origin.port, [{ bytes, answers }], methodsOf(reading));
  // Where Weft has refused the rest, the server may still be at the rest of the input before
  const seen = (await origin.log.taken()).filter((entry) => entry.input === undefined || entry.input === n);
  const why = judgeStraight(reading, got, seen);
  if (why === undefined) return { reached: seen.length };
  return {
    reached: seen.length,
    why: `${why}\n${views(reading, got, seen)}`,
    known: BROKEN.test(why) ? kind.differs?.(bytes.toString('latin1')) : undefined,
  };
}

function methodsOf({ requests }: Reading): string[] {
  return requests.map((request) => request.method);
}

/** The canary only when everything before it was answered, where that leaves a connection to send it on. */
async function inTwo({ bytes, canary }: Input, { answers }: Reading) {
  const first = await readingOf(bytes);
  const waiting = first.closed || first.requests.some((request) => !request.complete);
  return waiting
    ? undefined
    : [
        { bytes, answers: first.answers },
        { bytes: canary, answers },
      ];
}

/** What came out of the pair against what the codec has counted. */
function judgeThrough(
  { requests, closed }: Reading,
  { answers, rest, ...socket }: Exchange,
  seen: readonly Logged[],
): string | undefined {
  // Detection takes it for another protocol, and policy lets none in
  if (answers.length === 0 && socket.closed && seen.length === 0 && !METHODS.has(requests[0]?.method ?? ''))
    return undefined;
  if (rest !== '' && !socket.closed) return `there are bytes behind the answers: ${escape(rest.slice(0, 200))}`;
  const unanswered = new Map(seen.map((entry) => [entry.serial, entry]));
  let previous = 0;
  for (const [i, { serial }] of answers.entries()) {
    if (serial === undefined) continue;
    const entry = unanswered.get(serial);
    const request = requests[i];
    if (request === undefined) return `answer ${i} belongs to no request of Weft's count`;
    if (entry === undefined || serial <= previous)
      return `answer ${i} is not to a request of this connection, in its order`;
    unanswered.delete(serial);
    previous = serial;
    if (entry.method !== request.method) return `request ${i} became ${entry.method}`;
    if (entry.target !== normaliseTarget(request.target)) return `request ${i} became one for ${entry.target}`;
    if (entry.body !== request.body) return `request ${i} got another body`;
  }
  // Also one of an input before that comes late; those that never end were called off
  const whole = [...unanswered.values()].find((entry) => entry.complete);
  const ignored = whole?.target === requests.at(-1)?.target && answers.at(-1)?.reason === 'UPSTREAM_PROTOCOL';
  if (requests.at(-1)?.upgrade === true && ignored) return undefined; // a 200 to a WebSocket's request is refused
  if (whole !== undefined)
    return `the origin saw a whole request ${whole.method} ${whole.target} that Weft has not counted`;
  const due = requests.filter((request) => request.complete).length;
  const brokenOff = socket.closed && answers.some((answer) => answer.serial === undefined || answer.last);
  if (answers.length < due && !brokenOff) return `${due} answers were due, ${answers.length} came`;
  if (!closed && socket.closed && !brokenOff)
    return 'the connection was closed although the next request was due on it';
  return undefined;
}

/**
 * What the server makes of the same bytes: each request that Weft lets through is one for it, with the same body. What
 * Weft refuses is no matter: others repair much of it. @returns undefined also where it refuses for reasons of its own
 */
function judgeStraight(
  { requests }: Reading,
  { answers, closed }: Exchange,
  understood: readonly Logged[],
): string | undefined {
  let next = 0;
  for (const [i, request] of requests.entries()) {
    if (!request.complete) return undefined; // Weft called it off
    const entry = understood[next];
    const same = entry?.complete === true && entry.method === request.method && entry.body === request.body;
    if (same) next++;
    // Node's answer to what is broken overtakes its answers to what came before, so it is looked for anywhere
    else if (answers.some(isRefusal)) return isPlain(request) ? `request ${i} is broken to it` : undefined;
    else if (answers[i] !== undefined && answers[i].serial === undefined) {
      continue; // a method or target that it does not serve
    } else if (answers[i - 1]?.status === REFUSED_UPGRADE) {
      return undefined; // it waits for another protocol
    } else if (entry === undefined && closed) {
      return undefined; // it takes no more on this connection
    } else if (entry === undefined) return `request ${i} is none for it`;
    else if (!entry.complete) return `request ${i} has no end for it`;
    else return `request ${i} is ${entry.method} with the body ${JSON.stringify(escape(entry.body))} for it`;
  }
  return undefined;
}

/** The one kind of difference that an origin may have for reasons of its own. */
const BROKEN = /^request \d+ is broken to it$/;

/** What Node's parser knows; the others pass any method on, and behind them is Node. */
const METHODS = new Set(METHODS_OF_NODE);

/** Whether nothing but its framing could be a reason to refuse it: Weft itself would not forward another target as it is. */
function isPlain({ method, target }: Understood): boolean {
  return METHODS.has(method) && normaliseTarget(target) === target;
}

function isRefusal({ status, serial }: Answer): boolean {
  return status === 400 && serial === undefined;
}

function views({ requests, refused }: Reading, { answers, closed }: Exchange, seen: readonly Logged[]): string {
  const list = (all: readonly { method: string; target: string; body: string; complete: boolean }[]) =>
    all
      .map((r) => `${r.method} ${r.target} ${JSON.stringify(escape(r.body))}${r.complete ? '' : ' (no end)'}`)
      .join(', ') || 'nothing';
  const replies = answers.map(
    (x) => `${x.status}${x.reason === undefined ? '' : ` ${x.reason}`}${x.serial === undefined ? '' : ` #${x.serial}`}`,
  );
  return [
    `Weft counts: ${list(requests)}${refused ? ', then refuses' : ''}`,
    `origin saw: ${list(seen)}`,
    `client got: ${replies.join(', ') || 'nothing'}${closed ? ', closed' : ''}`,
  ].join('\n');
}
