import type { Arrival, Traffic } from './case.ts';
import { judgeSample, type Sample } from './statistics.ts';
import type { Answer, Call, CallResult, Seen, Tally } from './testapp/protocol.ts';

/** Traffic as it was sent, and what came of it on both sides. */
export interface Observation {
  readonly traffic: Traffic;
  readonly call: Call;
  readonly result: CallResult;
  /** What the destination received; undefined where it is not one known pod. */
  readonly seen?: Seen;
  /** App that has to answer, where the destination is one. */
  readonly app?: string;
}

/** What an expectation came to. `text` is evidence: what was sent, what was expected, what happened. */
export interface Finding {
  readonly holds: boolean;
  readonly text: string;
  readonly sample?: Sample;
}

/** Compares what happened with what was expected. Pure. */
export function judge(observation: Observation, alpha: number): Finding {
  const { traffic, result } = observation;
  const { is } = traffic;
  const finding = (problem: string | undefined, sample?: Sample): Finding => ({
    holds: problem === undefined,
    text: describe(observation, problem),
    ...(sample === undefined ? {} : { sample }),
  });
  const answers = result.tallies;
  if (typeof is === 'string') return finding(judgeWord(is, observation));
  if ('status' in is) return finding(unless(answers, ({ status }) => status === is.status, `status ${is.status}`));
  if ('each' in is) {
    const counts = countByApp(answers);
    const missing = is.each.filter((app) => (counts[app] ?? 0) === 0);
    const strange = Object.keys(counts).filter((app) => !is.each.includes(app));
    return finding(
      unless(answers, complete, 'complete replies') ??
        (missing.length > 0 ? `nothing came from ${missing.join(', ')}` : undefined) ??
        (strange.length > 0 ? `${strange.join(', ')} answered too` : undefined),
    );
  }
  if ('shares' in is) {
    const mayForbid = 'forbidden' in is.shares;
    const refusals = answers.filter(({ answer }) => forbidden(answer)).reduce((sum, { count }) => sum + count, 0);
    const counts = { ...countByApp(answers), ...(mayForbid ? { forbidden: refusals } : {}) };
    const sample = judgeSample(is.shares, counts, alpha);
    const problem =
      unless(answers, (answer) => complete(answer) || (mayForbid && forbidden(answer)), 'complete replies') ??
      (sample.outliers.length > 0 ? `outside the band: ${sample.outliers.join(', ')}` : undefined);
    return finding(problem === undefined ? undefined : `${problem} (${shares(sample)})`, sample);
  }
  if ('byPath' in is) {
    const wrong = Object.entries(is.byPath).filter(([path, verdict]) => {
      const ofPath = answers.filter(({ answer }) => answer.path === path);
      const holds = verdict === 'allowed' ? complete : forbidden;
      return ofPath.length === 0 || !ofPath.every(({ answer }) => holds(answer));
    });
    return finding(
      wrong.length === 0 ? undefined : wrong.map(([path, verdict]) => `${path} is not ${verdict}`).join(', '),
    );
  }
  return finding(judgeArrival(is.arrives, observation));
}

function judgeWord(
  is: 'allowed' | 'denied' | 'forbidden' | 'closed' | 'rejected',
  seenAndDone: Observation,
): string | undefined {
  const { result, app, seen } = seenAndDone;
  const answers = result.tallies;
  if (result.sent === 0) return 'nothing was sent';
  if (is === 'allowed')
    return (
      unless(answers, complete, 'complete replies') ??
      (app === undefined ? undefined : unless(answers, ({ by }) => by?.app === app, `replies of ${app}`))
    );
  const verdicts = { denied, forbidden, closed, rejected: (answer: Answer) => denied(answer) || answer.status === 400 };
  const problem = unless(answers, verdicts[is], is);
  if (problem !== undefined) return problem;
  return seen !== undefined && seen.count > 0 ? `the app received ${seen.count} of them all the same` : undefined;
}

function judgeArrival(arrives: Arrival, { call, result, seen }: Observation): string | undefined {
  const problem = unless(result.tallies, complete, 'complete replies');
  if (problem !== undefined) return problem;
  if (seen === undefined || seen.count === 0) return 'the app that answered does not know the request';
  for (const { port, headers, path } of seen.first) {
    if (arrives.port !== undefined && port !== arrives.port) return `it arrived on port ${port}, not ${arrives.port}`;
    if (arrives.path !== undefined && path !== arrives.path) return `it arrived as ${path}, not ${arrives.path}`;
    const sent = (call.headers ?? []).map(([name, value]) => `${name.toLowerCase()}: ${value}`);
    const left = (headers ?? [])
      .filter(([name, value]) => sent.includes(`${name}: ${value}`))
      .map(([name]) => name)
      .filter((name) => arrives.without?.includes(name));
    if (left.length > 0) return `the app received the header ${left.join(', ')}`;
    const lost = (arrives.with ?? []).filter((name) => !(headers ?? []).some(([given]) => given === name));
    if (lost.length > 0) return `the app did not receive the header ${lost.join(', ')}`;
  }
  if (arrives.count !== undefined && seen.count !== arrives.count)
    return `the app received ${seen.count} requests, not ${arrives.count}`;
  return undefined;
}

/** A complete reply of an app: 200, an accepted upgrade, or gRPC status 0. */
export function complete({ status, grpc, error }: Answer): boolean {
  return error === undefined && (status === 200 || status === 101) && (grpc === undefined || grpc === 0);
}

/** gRPC says PERMISSION_DENIED with status 200. */
export function forbidden({ status, grpc }: Answer): boolean {
  return status === 403 || grpc === 7;
}

/** `refused` counts: a mesh may have no listener at all for a caller that may not come in. A 403 is a proxy's CONNECT. */
function closed({ error, status }: Answer): boolean {
  return error === 'closed' || error === 'refused' || (error === undefined && status === 403);
}

function denied(answer: Answer): boolean {
  return forbidden(answer) || closed(answer);
}

/** Complete replies, by the app that sent them. */
export function countByApp(answers: readonly Tally[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { answer, count } of answers) {
    if (!complete(answer)) continue;
    const app = answer.by?.app ?? 'unknown';
    counts[app] = (counts[app] ?? 0) + count;
  }
  return counts;
}

function unless(answers: readonly Tally[], holds: (answer: Answer) => boolean, expected: string): string | undefined {
  const wrong = answers.filter(({ answer }) => !holds(answer));
  if (answers.length === 0) return 'nothing was sent';
  return wrong.length === 0
    ? undefined
    : `expected ${expected}, got ${wrong.slice(0, 4).map(describeTally).join('; ')}`;
}

export function describeTally({ answer, count }: Tally): string {
  const { status, grpc, reason, by, error, path } = answer;
  const parts = [
    path,
    error ?? (status === undefined ? 'no status' : String(status)),
    grpc === undefined ? undefined : `grpc-status ${grpc}`,
    reason === undefined ? undefined : `(${reason})`,
    by === undefined ? undefined : `from ${by.namespace}/${by.pod}`,
  ];
  return `${parts.filter((part) => part !== undefined).join(' ')} x${count}`;
}

function describe({ traffic, call, result }: Observation, problem: string | undefined): string {
  const whole = call.protocol === 'raw' ? JSON.stringify(call.bytes) : (call.path ?? call.paths?.join(' ') ?? '/');
  const target = whole.length > 120 ? `${whole.slice(0, 120)}... (${whole.length} characters)` : whole;
  const headers = (call.headers ?? []).map(([name, value]) => `${name}: ${value}`).join(', ');
  const http = ['http1', 'http2', 'grpc', 'websocket'].includes(call.protocol);
  const what =
    http || call.protocol === 'raw'
      ? `${call.method ?? (call.protocol === 'grpc' ? 'POST' : 'GET')} ${target}`
      : 'bytes';
  const how = `${call.protocol}${call.reuse === true ? ' kept connection' : ''}`;
  const line = `${traffic.from} -> ${call.host}:${call.port} ${what}${headers === '' ? '' : ` [${headers}]`} (${how}, x${result.sent})`;
  return `${line}: ${problem ?? `${JSON.stringify(traffic.is)} holds: ${result.tallies.slice(0, 6).map(describeTally).join('; ')}`}`;
}

/** `v1 1789 of 2000, band 1743..1856`, for each backend. */
export function shares({ counts, bands, requests }: Sample): string {
  return Object.entries(bands)
    .map(([app, { low, high }]) => `${app} ${counts[app] ?? 0} of ${requests}, band ${low}..${high}`)
    .join('; ');
}
