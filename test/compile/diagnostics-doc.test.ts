import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { REASONS } from '../../src/mesh/reasons.ts';

const root = join(import.meta.dirname, '../..');

/** Code -> its paragraph. */
const paragraphs = new Map(
  readFileSync(join(root, 'docs/diagnostics.md'), 'utf8')
    .split(/^### /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf('\n')), part.slice(part.indexOf('\n')).split(/^#/m)[0]?.trim() ?? '']),
);

function codesInSources(): Set<string> {
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.ts'));
  const codes = files.flatMap((file) => readFileSync(join(root, 'src', file), 'utf8').match(/'SMI\d{4}'/g) ?? []);
  return new Set(codes.map((code) => code.slice(1, -1)));
}

test('diagnostics: every code that the sources emit has its paragraph', () => {
  const codes = codesInSources();
  assert.ok(codes.size > 40, `only ${codes.size} found`);
  assert.deepEqual(
    [...codes].filter((code) => (paragraphs.get(code) ?? '').length < 20),
    [],
  );
});

test('diagnostics: every documented code is emitted somewhere', () => {
  const codes = codesInSources();
  const documented = [...paragraphs.keys()].filter((code) => code.startsWith('SMI'));
  assert.deepEqual(
    documented.filter((code) => !codes.has(code)),
    [],
  );
});

test('diagnostics: reasons of refusals and their paragraphs agree, status included', () => {
  const documented = [...paragraphs.keys()].filter((code) => !code.startsWith('SMI')).sort();
  assert.deepEqual(documented, Object.keys(REASONS).sort());
  for (const [code, { status }] of Object.entries(REASONS)) {
    assert.match(paragraphs.get(code) ?? '', new RegExp(`^${status}\\. `), code);
  }
});

test('diagnostics: a reason is called retryable exactly when it is', () => {
  for (const [code, { retryable }] of Object.entries(REASONS)) {
    assert.equal((paragraphs.get(code) ?? '').endsWith('Retryable.'), retryable, code);
  }
});

test('diagnostics: every code of compile appears in a golden case', () => {
  const folder = join(root, 'test/golden/cases');
  const golden = readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');
  const missing = [...codesInSources()].filter((code) => code >= 'SMI1000' && !golden.includes(code));
  assert.deepEqual(missing, []);
});
