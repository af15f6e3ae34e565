import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { compile } from '../../src/compile/compile.ts';
import { snapshotOf, yamlObjects } from '../compile/snapshot.ts';
import { ask } from './ask.ts';
import { render, renderDiagnostic, type Block } from './render.ts';

/*
 * The meaning of SMI, case by case. A case is one file, `<row of smi.md 2.7>-<what happens>.golden`:
 *   # world: shop                         objects of worlds/shop.yaml come first
 *   # show: service shop/checkout         blocks to show whose title begins like that (none: show no blocks)
 *   # ask: shop/web -> shop/api-1:8080 GET /    questions to the result, see ask.ts
 *   YAML documents
 *   a line of 80 dashes
 *   what comes out. UPDATE_GOLDEN=1 writes it; review the difference like code.
 */
const FOLDER = join(import.meta.dirname, 'cases');
const RULER = '-'.repeat(80);

const cases = readdirSync(FOLDER).filter((name) => name.endsWith('.golden'));

test('golden: there are at least 60 cases', () => assert.ok(cases.length >= 60, `${cases.length} found`));

for (const name of cases) {
  test(`golden: ${name.replace(/\.golden$/, '').replaceAll('-', ' ')}`, () => {
    const file = join(FOLDER, name);
    const [input = '', expected = ''] = readFileSync(file, 'utf8').split(`${RULER}\n`);
    const actual = resultOf(input);
    if (process.env.UPDATE_GOLDEN !== undefined) writeFileSync(file, `${input}${RULER}\n${actual}`);
    else assert.equal(actual, expected);
  });
}

function resultOf(input: string): string {
  const { world, show, questions } = directives(input);
  const base = world === undefined ? [] : yamlObjects(readFileSync(join(FOLDER, '../worlds', `${world}.yaml`), 'utf8'));
  const result = compile(snapshotOf([...base, ...yamlObjects(input)]));
  const blocks = render(result).filter(({ title }) => show.some((start) => title.startsWith(start)));
  const answers = questions.map((question) => `${question}\n  ${ask(result, question)}`);
  return [
    ...blocks.map(blockText),
    ...(answers.length === 0 ? [] : [`${answers.join('\n')}\n`]),
    ...result.diagnostics.map((d) => blockText(renderDiagnostic(d))),
  ].join('\n');
}

function directives(input: string): { world: string | undefined; show: string[]; questions: string[] } {
  const all = [...input.matchAll(/^# (world|show|ask): (.+)$/gm)];
  const of = (kind: string) => all.filter((m) => m[1] === kind).map((m) => m[2] ?? '');
  return { world: of('world')[0], show: of('show'), questions: of('ask') };
}

function blockText({ title, lines }: Block): string {
  return [title, ...lines.map((line) => `  ${line}`)].join('\n') + '\n';
}
