import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');

/** Rows about what this version does not have: there is nothing yet that a test could hold on to. */
const LATER: ReadonlyMap<string, string> = new Map([
  ['A17', 'there is no ingress gateway yet'],
  ['S23', 'there is no ingress gateway yet'],
]);

/** `A1` to `S25`: the rows of docs/smi.md that say what access, routes and splits mean. */
function rows(): string[] {
  const text = readFileSync(join(ROOT, 'docs/smi.md'), 'utf8');
  return [...text.matchAll(/^\| ([AHS]\d+) \|/gm)].map((match) => match[1] ?? '');
}

/** `A09` of a golden case is A9; titles of other tests end in `(A9)` or `(A9, S3)`. */
function tested(): Set<string> {
  const found = new Set<string>();
  for (const name of readdirSync(join(ROOT, 'test/golden/cases'))) {
    found.add(name.replace(/^([AHS])0?(\d+)-.*$/, '$1$2'));
  }
  for (const folder of ['test/proxy', 'test/mesh']) {
    for (const name of readdirSync(join(ROOT, folder))) {
      if (!name.endsWith('.test.ts')) continue;
      const titles = readFileSync(join(ROOT, folder, name), 'utf8').matchAll(/^ *(?:test\()?'[^']* \(([AHS0-9, ]+)\)',/gm);
      for (const [, list = ''] of titles) for (const row of list.split(', ')) found.add(row);
    }
  }
  return found;
}

test('golden: every row of what SMI means here has a case or a test that is named after it', () => {
  const all = rows();
  assert.ok(all.length >= 61, `${all.length} rows found`);
  const has = tested();
  assert.deepEqual(
    all.filter((row) => !has.has(row)),
    [...LATER.keys()],
  );
});
