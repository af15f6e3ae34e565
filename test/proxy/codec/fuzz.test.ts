import { test } from 'node:test';
import fc from 'fast-check';
import { readCorpus } from './fuzz/corpus.ts';
import { HTTP1_TARGETS } from './fuzz/http1-targets.ts';
import { HTTP2_TARGETS } from './fuzz/http2-targets.ts';
import { mutated, positions } from './fuzz/mutated.ts';
import { pathNormaliser } from './fuzz/path-target.ts';
import { escape } from './vectors.ts';

// A short run each time; `npm run suites -- fuzz` sets these for a long one.
const seconds = Number(process.env['WEFT_FUZZ_SECONDS'] ?? 0);
const seed = Number(process.env['WEFT_FUZZ_SEED'] ?? Date.now() % 1_000_000);
const RUNS = 300;

for (const target of [...HTTP1_TARGETS, ...HTTP2_TARGETS, pathNormaliser]) {
  test(`fuzz ${target.name}: the corpus, whole and byte by byte`, async () => {
    for (const bytes of readCorpus(target.corpus)) {
      await target.check(
        bytes,
        Array.from(bytes, (_, i) => i),
      );
    }
  });

  test(`fuzz ${target.name}: whatever comes, however it is cut`, async () => {
    const property = fc.asyncProperty(mutated(target.seeds, target.words), positions, async (bytes, cuts) =>
      target.check(bytes, cuts),
    );
    const long = { numRuns: 1e9, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false };
    const out = await fc.check(property, { seed, ...(seconds > 0 ? long : { numRuns: RUNS }) });
    if (!out.failed || out.counterexample === null) return;
    const [bytes, cuts] = out.counterexample;
    const line = target.corpus.endsWith('.hex') ? bytes.toString('hex') : escape(bytes.toString('latin1'));
    throw new Error(
      `seed ${seed}, cut at ${JSON.stringify(cuts)}: a line for corpus/${target.corpus}, once it is mended:\n${line}`,
      { cause: out.errorInstance },
    );
  });
}
