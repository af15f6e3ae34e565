import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { CASES } from '../../conformance/cases/all.ts';
import { editOfLine } from './broken-checkout.ts';
import { MUTANTS } from './mutant-list.ts';
import { readTable, writeTable } from './mutant-table.ts';

const read = (file: string) => readFileSync(resolve(import.meta.dirname, '../..', file), 'utf8');
const document = read('docs/conformance.md');

test('mutants: there are at least 25 in compile/ and proxy/, each with a name of its own', () => {
  const there = MUTANTS.filter(({ file }) => /^src\/(?:compile|proxy)\//.test(file));
  assert.ok(there.length >= 25, `${there.length}`);
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

for (const mutant of MUTANTS)
  test(`mutants: ${mutant.name} changes exactly one line, and what comes of it is still a program`, () => {
    const { file, from, to } = editOfLine(mutant);
    const source = read(file);
    assert.equal(source.split(from).length, 2);
    assert.notEqual(from, to);
    stripTypeScriptTypes(source.replace(from, () => to));
  });

test('mutants: a line that is not there, or more than once, is an error', () => {
  const file = 'src/compile/weights.ts';
  assert.throws(() => editOfLine({ file, line: 'return 42;', becomes: '' }), /has 0 lines that read "return 42;"/);
  assert.throws(
    () => editOfLine({ file, line: '}', becomes: '' }),
    /has \d+ lines that read "}"; it needs exactly one/,
  );
});

test('mutants: those that should notice exist', () => {
  const ids = new Set(CASES.map(({ id }) => id));
  for (const { name, first } of MUTANTS) assert.deepEqual([name, first.filter((id) => !ids.has(id))], [name, []]);
});

test('mutants: docs/conformance.md has a row for each, as the list says it', () => {
  assert.equal(document, writeTable(document, MUTANTS, readTable(document)));
});

test('mutants: at least 25 in compile/ and proxy/ are known to have been noticed', () => {
  const caught = readTable(document);
  const known = MUTANTS.filter(({ name }) => (caught.get(name) ?? []).length > 0);
  assert.ok(known.filter(({ file }) => /^src\/(?:compile|proxy)\//.test(file)).length >= 25, `${known.length}`);
});

test('mutants: the table keeps what is known, and says who is not known to be noticed', () => {
  const [first, second] = [MUTANTS[0]!, MUTANTS[1]!];
  const empty = `before\n${document.slice(document.indexOf('<!-- mutants'), document.indexOf('\n\n| fault'))}\n<!-- mutants end -->\nafter\n`;
  const written = writeTable(empty, [first, second], new Map([[first.name, ['TT-43', 'TS-69a']]]));
  assert.match(written, /^before\n<!-- mutants: .* -->\n\n\| fault \|/);
  assert.match(written, /\| TT-43, TS-69a \|\n.*\| nobody yet \|\n\n<!-- mutants end -->\nafter\n$/);
  assert.deepEqual(
    [...readTable(written)],
    [
      [first.name, ['TT-43', 'TS-69a']],
      [second.name, []],
    ],
  );
  assert.throws(() => readTable('nothing'), /has no lines/);
});
