import assert from 'node:assert/strict';
import { normaliseTarget, pathOf } from '../../../../src/mesh/path.ts';
import { readCorpus } from './corpus.ts';
import { words, type FuzzTarget } from './target.ts';

/** The path that policy judges and the app gets. */
export const pathNormaliser: FuzzTarget = {
  name: 'path normaliser',
  corpus: 'path.txt',
  seeds: readCorpus('path.txt'),
  words: words(
    '/',
    '//',
    '.',
    '..',
    '/../',
    '/./',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%00',
    '%25',
    '%',
    '%c0%af',
    ';',
    '\\',
    '?',
    '#',
    '%7e',
    'a',
  ),
  check(bytes) {
    const target = bytes.toString('latin1');
    const normal = normaliseTarget(target);
    if (normal === undefined || normal === '*') return;
    assert.equal(normaliseTarget(normal), normal, 'idempotent: what is forwarded is judged the same');
    const path = pathOf(normal);
    assert.match(path, /^\/[!-~]*$/);
    assert.doesNotMatch(path, /\/\/|\/\.{1,2}(\/|$|;)|%2[ef]|%5c|%00|[#\\]/i);
    assert.ok(normal.length <= target.length);
    assert.equal(normal.slice(path.length), target.slice(pathOf(target).length), 'the query stays');
  },
};
