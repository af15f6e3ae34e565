import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verdict } from '../../conformance/case.ts';
import { judge, type Finding } from '../../conformance/judge.ts';
import type { Answer, Call, Seen, Tally } from '../../conformance/testapp/protocol.ts';

const by = (app: string) => ({ app, version: app, namespace: 'ns', pod: `${app}-1` });
const ok = (app = 'b1'): Answer => ({ status: 200, by: by(app) });
const nothing: Seen = { count: 0, first: [] };
const call: Call = { protocol: 'http1', host: 'b1.ns', port: 8080, id: 'x' };

function judged(
  is: Verdict,
  answers: readonly (Answer | Tally)[],
  more: { seen?: Seen; call?: Partial<Call> } = {},
): Finding {
  const tallies = answers.map((answer) => ('answer' in answer ? answer : { answer, count: 1 }));
  const sent = tallies.reduce((sum, { count }) => sum + count, 0);
  return judge(
    {
      traffic: { from: 'a', to: { service: '$b' }, is },
      call: { ...call, ...more.call },
      result: { sent, tallies },
      app: 'b1',
      ...(more.seen === undefined ? {} : { seen: more.seen }),
    },
    1e-5,
  );
}

const table: readonly [string, Verdict, Answer, boolean][] = [
  ['allowed', 'allowed', ok(), true],
  ['allowed by gRPC', 'allowed', { ...ok(), grpc: 0 }, true],
  ['allowed, but another app answered', 'allowed', ok('b2'), false],
  ['allowed, but the mesh answered 200 itself', 'allowed', { status: 200 }, false],
  ['allowed, but 403', 'allowed', { status: 403 }, false],
  ['allowed, but the gRPC status is an error', 'allowed', { ...ok(), grpc: 7 }, false],
  ['allowed, but no complete reply came', 'allowed', { error: 'closed' }, false],
  ['denied by 403', 'denied', { status: 403 }, true],
  ['denied by PERMISSION_DENIED', 'denied', { status: 200, grpc: 7 }, true],
  ['denied by a close', 'denied', { error: 'closed' }, true],
  ['denied, but it hangs', 'denied', { error: 'timeout' }, false],
  ['denied, but 503', 'denied', { status: 503 }, false],
  ['denied, but 400', 'denied', { status: 400 }, false],
  ['rejected by 400', 'rejected', { status: 400 }, true],
  ['rejected, but answered', 'rejected', ok(), false],
  ['forbidden by 403', 'forbidden', { status: 403 }, true],
  ['forbidden, but closed', 'forbidden', { error: 'closed' }, false],
  ['closed', 'closed', { error: 'closed' }, true],
  ["closed by the proxy's refusal to CONNECT", 'closed', { status: 403 }, true],
  ['closed, but 500', 'closed', { status: 500 }, false],
  ['a status', { status: 405 }, { status: 405 }, true],
  ['a status, but another', { status: 405 }, { status: 403 }, false],
];

for (const [name, is, answer, holds] of table)
  test(`judge: ${name}`, () => assert.equal(judged(is, [answer], { seen: nothing }).holds, holds));

test('judge: a denial fails when the app received the request all the same', () => {
  const finding = judged('denied', [{ status: 403 }], { seen: { count: 1, first: [] } });
  assert.equal(finding.holds, false);
  assert.match(finding.text, /the app received 1 of them/);
});

test('judge: one wrong answer among many is enough', () => {
  assert.equal(
    judged('allowed', [
      { answer: ok(), count: 999 },
      { status: 503, reason: 'NO_ENDPOINTS' },
    ]).holds,
    false,
  );
});

test('judge: nothing sent proves nothing', () => {
  for (const is of [
    'allowed',
    'denied',
    'forbidden',
    'closed',
    'rejected',
    { status: 200 },
    { each: [] },
    { shares: { b1: 1 } },
  ] as const)
    assert.equal(judged(is, []).holds, false, JSON.stringify(is));
});

test('judge: each wants something from everyone named and nothing from anyone else', () => {
  const is = { each: ['v1', 'v2'] };
  assert.equal(judged(is, [ok('v1'), ok('v2')]).holds, true);
  assert.match(judged(is, [ok('v1')]).text, /nothing came from v2/);
  assert.match(judged(is, [ok('v1'), ok('v2'), ok('v3')]).text, /v3 answered too/);
  assert.equal(judged(is, [ok('v1'), ok('v2'), { error: 'closed' }]).holds, false);
});

test('judge: shares are compared with bands, and failed replies are no share', () => {
  const is = { shares: { v1: 90, v2: 10 } };
  const split = (v1: number, v2: number) => [
    { answer: ok('v1'), count: v1 },
    { answer: ok('v2'), count: v2 },
  ];
  const good = judged(is, split(1810, 190));
  assert.equal(good.holds, true);
  assert.deepEqual(good.sample?.counts, { v1: 1810, v2: 190 });
  assert.match(judged(is, split(1000, 1000)).text, /outside the band: v1, v2/);
  assert.equal(judged(is, [...split(1810, 190), { status: 503 }]).holds, false);
});

test('judge: refusals can be a share of their own', () => {
  const is = { shares: { b1: 50, forbidden: 50 } };
  const answers = (count: number) => [
    { answer: ok('b1'), count: 1000 - count },
    { answer: { status: 403 }, count },
  ];
  assert.equal(judged(is, answers(510)).holds, true);
  assert.equal(judged(is, answers(0)).holds, false);
  assert.equal(judged({ shares: { b1: 50, b2: 50 } }, answers(510)).holds, false);
});

test('judge: paths of one connection are judged one by one', () => {
  const is = { byPath: { '/get': 'allowed', '/put': 'forbidden' } } as const;
  assert.equal(
    judged(is, [
      { ...ok(), path: '/get' },
      { status: 403, path: '/put' },
    ]).holds,
    true,
  );
  assert.match(
    judged(is, [
      { ...ok(), path: '/get' },
      { ...ok(), path: '/put' },
    ]).text,
    /\/put is not forbidden/,
  );
  assert.match(judged(is, [{ ...ok(), path: '/get' }]).text, /\/put is not forbidden/);
});

test('judge: what arrived is compared: port, path, and headers that were forged', () => {
  const arrived = (headers: [string, string][]): Seen => ({
    count: 1,
    first: [{ port: 8081, protocol: 'http1', path: '/pub', headers }],
  });
  const forged = { call: { headers: [['X-Forwarded-Client-Cert', 'forged']] as const } };
  const without = { arrives: { without: ['x-forwarded-client-cert'] } };
  assert.equal(judged({ arrives: { port: 8081, path: '/pub' } }, [ok()], { seen: arrived([]) }).holds, true);
  assert.equal(judged({ arrives: { port: 8080 } }, [ok()], { seen: arrived([]) }).holds, false);
  assert.equal(judged({ arrives: { path: '//pub' } }, [ok()], { seen: arrived([]) }).holds, false);
  assert.equal(
    judged(without, [ok()], { ...forged, seen: arrived([['x-forwarded-client-cert', 'forged']]) }).holds,
    false,
  );
  assert.equal(
    judged(without, [ok()], { ...forged, seen: arrived([['x-forwarded-client-cert', 'By=real']]) }).holds,
    true,
  );
  assert.equal(judged({ arrives: {} }, [ok()]).holds, false);
});
