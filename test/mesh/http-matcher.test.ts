import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headerValue, httpMatcher } from '../../src/mesh/http-matcher.ts';
import type { HttpMatch } from '../../src/mesh/resources.ts';

interface Request {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  readonly headers?: readonly string[];
}

function matches(match: Omit<HttpMatch, 'name'>, request: Request = {}): boolean {
  const { method = 'GET', path = '/', authority = 'shop', headers = [] } = request;
  return httpMatcher([{ name: 'g/m', ...match }])(method, path, authority, headers);
}

test('http matcher: absent matches match everything, an empty list nothing (H13)', () => {
  assert.equal(httpMatcher(undefined)('GET', '/', 'a', []), true);
  assert.equal(httpMatcher([])('GET', '/', 'a', []), false);
});

test('http matcher: an entry without conditions matches every request', () => {
  assert.equal(matches({}, { method: 'PROPFIND', path: '/x' }), true);
});

test('http matcher: methods are exact tokens (H10)', () => {
  const verbs = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PROPFIND', 'get', 'GETX'];
  const passed = verbs.filter((method) => matches({ methods: ['GET', 'HEAD'] }, { method }));
  assert.deepEqual(passed, ['GET', 'HEAD']);
});

test('http matcher: path, method and every header must hold together', () => {
  const match = {
    pathRegex: '/api',
    methods: ['POST'],
    headers: [
      ['x-a', '1'],
      ['x-b', '2'],
    ],
  } as const;
  const good = { method: 'POST', path: '/api/x', headers: ['x-a', '1', 'x-b', '2'] };
  assert.equal(matches(match, good), true);
  assert.equal(matches(match, { ...good, method: 'GET' }), false);
  assert.equal(matches(match, { ...good, path: '/x' }), false);
  assert.equal(matches(match, { ...good, headers: ['x-a', '1'] }), false);
});

test('http matcher: one of several entries is enough', () => {
  const either = httpMatcher([
    { name: 'g/a', headers: [['x-a', '1']] },
    { name: 'g/b', headers: [['x-b', '2']] },
  ]);
  assert.equal(either('GET', '/', 'h', ['x-b', '2']), true);
  assert.equal(either('GET', '/', 'h', ['x-a', '1']), true);
  assert.equal(either('GET', '/', 'h', ['x-a', '2', 'x-b', '1']), false);
});

test('http matcher: header values match in full (H4)', () => {
  assert.equal(matches({ headers: [['x', 'foo']] }, { headers: ['x', 'xfoox'] }), false);
  assert.equal(matches({ headers: [['x', '.*foo.*']] }, { headers: ['x', 'xfoox'] }), true);
});

test('http matcher: an absent header never matches, an empty one matches .* (H5)', () => {
  assert.equal(matches({ headers: [['x', '.*']] }), false);
  assert.equal(matches({ headers: [['x', '.*']] }, { headers: ['x', ''] }), true);
  assert.equal(matches({ headers: [['x', 'foo']] }, { headers: ['x', ''] }), false);
});

test('http matcher: repeated headers are joined, cookies in their own way (H6)', () => {
  const repeated = ['x', 'bar', 'y', '-', 'x', 'foo', 'cookie', 'a=1', 'cookie', 'b=2'];
  assert.equal(headerValue(repeated, 'x'), 'bar, foo');
  assert.equal(headerValue(repeated, 'cookie'), 'a=1; b=2');
  assert.equal(matches({ headers: [['x', 'foo']] }, { headers: repeated }), false);
  assert.equal(matches({ headers: [['x', 'bar, foo']] }, { headers: repeated }), true);
});

test('http matcher: a value is never taken for a name', () => {
  assert.equal(headerValue(['a', 'x', 'b', 'y'], 'x'), undefined);
});

test('http matcher: host means the authority, whatever a host header says (H7)', () => {
  const match = { headers: [['host', 'b.*']] } as const;
  assert.equal(matches(match, { authority: 'bookstore', headers: [] }), true);
  assert.equal(matches(match, { authority: 'shop', headers: ['host', 'bookstore'] }), false);
});

test('http matcher: a broken pattern fails when the matcher is built, not when a request comes', () => {
  assert.throws(() => httpMatcher([{ name: 'g/m', pathRegex: '(' }]), /missing closing/);
});
