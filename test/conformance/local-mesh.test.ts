import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { detectIsolation } from '../../src/local/runtime/detect-isolation.ts';
import { run } from '../system/local-mesh.ts';

const program = resolve(import.meta.dirname, '../../src/main/weft.cjs');

interface Result {
  readonly id: string;
  readonly title: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly evidence: readonly string[];
  readonly failure?: string;
  readonly skippedBecause?: string;
}

/** On a machine that does little else it takes two minutes. */
const TIMEOUT_MS = 900_000;

/** Runs the suite by its command line; each case of its report becomes a test, so that skipped ones are counted. */
for (const isolation of ['process', 'netns'] as const) {
  const choice = await detectIsolation('auto');
  const skip = isolation === 'netns' && choice.kind !== 'netns' ? choice.reason : false;
  test(`conformance: the local mesh passes, isolation ${isolation}`, { skip, timeout: TIMEOUT_MS }, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'weft-conformance-'));
    const [yaml, junit] = [join(dir, 'report.yaml'), join(dir, 'report.xml')];
    try {
      const finished = await run(process.execPath, [
        ...[program, 'conformance', '--local', '--isolation', isolation],
        ...['--yaml', yaml, '--junit', junit, '--stable', '1', '--parallel', '10'],
      ]);
      const { cases } = parse(readFileSync(yaml, 'utf8')) as { cases: readonly Result[] };
      assert.ok(cases.length >= 145, `only ${cases.length} cases\n${finished.stdout}${finished.stderr}`);
      for (const { id, title, outcome, failure, evidence, skippedBecause } of cases) {
        const reason = outcome === 'skipped' ? (skippedBecause ?? 'skipped') : false;
        await t.test(`${id} ${title} (${isolation})`, { skip: reason }, () => {
          assert.equal(outcome, 'passed', `${failure ?? ''}\n${evidence.join('\n')}`);
        });
      }
      assert.match(readFileSync(junit, 'utf8'), /^<\?xml[\s\S]*<\/testsuites>\s*$/);
      assert.equal(finished.code, cases.some((c) => c.outcome === 'failed') ? 1 : 0);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
}
