import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { checkPattern, compilePattern, MAX_PATTERN_LENGTH } from '../../src/mesh/regex.ts';

const startCases: readonly (readonly [pattern: string, matches: readonly string[], not: readonly string[]])[] = [
  ['', ['', '/', '/a'], []],
  ['.*', ['', '/', '/a'], []],
  ['/api', ['/api', '/api/x', '/apix'], ['/v1/api', '/ap', '']],
  ['^/api', ['/api', '/api/x'], ['/v1/api']],
  ['/api$', ['/api'], ['/api/', '/apix', '/x/api']],
  ['/api(/.*)?$', ['/api', '/api/', '/api/x/y'], ['/apix', '/x/api']],
  ['/api(/.*)?', ['/api', '/api/x', '/apix'], ['/x']],
  ['/a|/b', ['/a', '/b', '/bx'], ['/x/b', '/c']],
  ['/a\\.json$', ['/a.json'], ['/axjson', '/a.jsonx']],
  ['/users/[0-9]+$', ['/users/42'], ['/users/', '/users/x', '/users/42/x']],
  ['/ab?', ['/a', '/ab', '/ac'], ['/b']],
  ['/ab*$', ['/a', '/abbb'], ['/ac']],
  ['/ab{0,1}$', ['/a', '/ab'], ['/abb']],
  ['(?i)/API$', ['/api', '/Api'], ['/apis']],
  ['(?:/a|/b)/c$', ['/a/c', '/b/c'], ['/a', '/c']],
];

for (const [pattern, matching, other] of startCases) {
  test(`pattern: ${JSON.stringify(pattern)} is anchored at the start only`, () => {
    const compiled = compilePattern(pattern, 'start');
    for (const text of matching) assert.equal(compiled.matches(text), true, text);
    for (const text of other) assert.equal(compiled.matches(text), false, text);
  });
}

test('pattern: full anchoring covers the whole alternation', () => {
  const compiled = compilePattern('foo|bar', 'full');
  assert.deepEqual(
    ['foo', 'bar', 'xfoox', 'foobar', 'foox', 'xbar', ''].map((text) => compiled.matches(text)),
    [true, true, false, false, false, false, false],
  );
});

test('pattern: .* matches the empty text, and no line feed when it must reach the end', () => {
  assert.equal(compilePattern('.*', 'full').matches(''), true);
  assert.equal(compilePattern('a.*', 'full').matches('a\nb'), false);
  assert.equal(compilePattern('a.*', 'start').matches('a\nb'), true);
});

/** Pieces that meet the shortcuts and the literal prefix from every side. */
const piece = fc.constantFrom(
  '/',
  'a',
  'b',
  '/api',
  '\\.',
  '\\/',
  '.',
  '.*',
  '(/.*)?',
  '$',
  '^',
  '?',
  '*',
  '{0,1}',
  '|',
);
const text = fc.array(fc.constantFrom('/', 'a', 'b', '/api', '.', 'i', '\n', 'c')).map((parts) => parts.join(''));

test('pattern: shortcuts and prefixes decide as the plain engine does', () => {
  fc.assert(
    fc.property(
      fc.array(piece, { maxLength: 6 }).map((p) => p.join('')),
      text,
      (pattern, input) => {
        if (checkPattern(pattern) !== undefined) return;
        assert.equal(compilePattern(pattern, 'full').matches(input), RE2JS.compile(pattern).testExact(input));
        assert.equal(compilePattern(pattern, 'start').matches(input), RE2JS.compile(`^(?:${pattern})`).test(input));
      },
    ),
    { numRuns: 5000 },
  );
});

test('pattern: a text that makes backtracking engines explode is decided at all', () => {
  const nested = compilePattern('(a+)+$', 'start');
  assert.equal(nested.matches(`${'a'.repeat(65_536)}!`), false);
});

const bad: readonly (readonly [pattern: string, error: RegExp])[] = [
  ['(', /^is not valid RE2 syntax: missing closing \)/],
  [')', /^is not valid RE2 syntax: unexpected \)/],
  ['a)(b', /^is not valid RE2 syntax/],
  ['*', /^is not valid RE2 syntax: missing argument/],
  ['[z-a]', /^is not valid RE2 syntax: invalid character class range in z-a$/],
  ['a++', /^is not valid RE2 syntax/],
  ['(a)\\1', /^uses a backreference \(\\1\)/],
  ['(?<n>a)\\k<n>', /^uses a backreference/],
  ['a(?=b)', /^uses lookaround \(\(\?=\.\.\.\)/],
  ['(?!a)b', /^uses lookaround/],
  ['(?<=a)b', /^uses lookaround \(\(\?<=\.\.\.\)/],
  ['(?<!a)b', /^uses lookaround/],
  ['a{1001}', /^repeats too often \(\{1001\}\)/],
  ['((a{100}){100}){100}', /^repeats too often/],
  ['(a{900}b{900})', /^is too costly: \d+ steps/],
  ['/\\Qa.b', /^has a \\Q without its \\E$/],
  ['x'.repeat(MAX_PATTERN_LENGTH + 1), /^has 1025 characters, more than 1024$/],
  ['\\', /^is not valid RE2 syntax: trailing backslash/],
];

for (const [pattern, error] of bad) {
  test(`pattern: ${JSON.stringify(pattern.slice(0, 30))} is refused with the reason`, () => {
    assert.match(checkPattern(pattern) ?? 'accepted', error);
  });
}

test('pattern: any text is either a pattern or refused, never an unexpected error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\\()[\]{}?*+|^$.:<=!PQEabk0-9,-]*$/)), (pattern) => {
      const error = checkPattern(pattern);
      if (error === undefined) compilePattern(pattern, 'start').matches('/a');
      else assert.throws(() => compilePattern(pattern, 'start'));
    }),
    { numRuns: 3000 },
  );
});
