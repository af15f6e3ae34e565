import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { normaliseTarget, pathOf, routablePath } from '../../src/mesh/path.ts';

const kept = [
  '/',
  '/a',
  '/a/',
  '/a/b.c',
  '/a..b',
  '/a...',
  '/...',
  '/a;v=1/b',
  '/a%20b',
  '/caf%C3%A9',
  '/a?x=/../%2f//y',
  '/a?b?c',
  '/?',
  '/%252e%252e/x',
  '*',
];
for (const target of kept) {
  test(`target: ${target} is in normal form already`, () => assert.equal(normaliseTarget(target), target));
}

const changed: readonly (readonly [string, string])[] = [
  ['//', '/'],
  ['//a', '/a'],
  ['/a//b', '/a/b'],
  ['/a//', '/a/'],
  ['/.', '/'],
  ['/..', '/'],
  ['/./a', '/a'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/a/../b', '/b'],
  ['/a//../b', '/b'],
  ['/pub/../admin', '/admin'],
  ['/pub/%2e%2e/admin', '/admin'],
  ['/pub/.%2E/admin', '/admin'],
  ['/../../etc', '/etc'],
  ['/%70ub', '/pub'],
  ['/%7Euser', '/~user'],
  ['/a%2db', '/a-b'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a%3fb', '/a%3Fb'],
  ['/a%23b', '/a%23b'],
  ['/a;x/../b', '/b'],
  ['/%41?q=%41', '/A?q=%41'],
  ['/a/../b?q=/../', '/b?q=/../'],
  ['/.well-known/x', '/.well-known/x'],
];
for (const [from, to] of changed) {
  test(`target: ${from} becomes ${to}`, () => assert.equal(normaliseTarget(from), to));
}

const refused = [
  '',
  'a',
  'http://a/b',
  '?x',
  '/a%2fb',
  '/a%2Fb',
  '/a%5cb',
  '/a%5Cb',
  '/a%00',
  '/%',
  '/%2',
  '/%zz',
  '/%2g',
  '/a\\b',
  '/..\\x',
  '/a#b',
  '/a?b#c',
  '/a b',
  '/a\tb',
  '/a\u0000',
  '/a\u007f',
  '/caf\u00e9',
  '/a?\u00e9',
  '/%c0%af',
  '/%c0%ae%c0%ae/x',
  '/%e0%80%af',
  '/%f0%80%80%af',
  '/pub/..;/admin',
  '/pub/..;x=1/admin',
  '/pub/%2e%2e;/admin',
  '/pub/.;/admin',
  '/pub/..%2fadmin',
  '/pub/..%5cadmin',
];
for (const target of refused) {
  test(`target: ${JSON.stringify(target)} is refused`, () => assert.equal(normaliseTarget(target), undefined));
}

const crumb = fc.constantFrom(
  '/',
  '.',
  '..',
  '%2e',
  '%2E',
  'a',
  '%61',
  '%25',
  '2e',
  ';',
  '%3b',
  '?',
  '//',
  '%C3%A9',
  '%41',
);
const hostile = fc.array(crumb, { maxLength: 12 }).map((parts) => `/${parts.join('')}`);

test('target: normal form is idempotent', () => {
  fc.assert(
    fc.property(hostile, (target) => {
      const once = normaliseTarget(target);
      if (once !== undefined) assert.equal(normaliseTarget(once), once);
    }),
    { numRuns: 5000 },
  );
});

test('target: the normal form holds no dot segment, double slash or escaped unreserved character', () => {
  fc.assert(
    fc.property(hostile, (target) => {
      const normal = normaliseTarget(target);
      if (normal === undefined) return;
      const path = pathOf(normal);
      assert.doesNotMatch(path, /\/\/|\/\.\.?(?:[/;]|$)|%(?:2[dDeE]|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/);
      assert.equal(normal.slice(path.length), target.includes('?') ? target.slice(target.indexOf('?')) : '');
    }),
    { numRuns: 5000 },
  );
});

test('target: agrees with the WHATWG parser on dot segments and escapes that both resolve', () => {
  const plain = fc.array(fc.constantFrom('a', 'b', '.', '..', '%2e', '%2E%2e', 'c'), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(plain, (segments) => {
      const target = `/${segments.join('/')}`;
      assert.equal(normaliseTarget(target), new URL(target, 'http://x').pathname);
    }),
  );
});

test('target: a target without normal form is routed by its raw path', () => {
  assert.equal(routablePath('/a%2fb?x'), '/a%2fb');
  assert.equal(routablePath('/a/../b?x'), '/b');
});
