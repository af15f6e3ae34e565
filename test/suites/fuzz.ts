import { resolve } from 'node:path';
import type { Suite } from './suite.ts';
import { finished } from './tools.ts';

const TARGETS = resolve(import.meta.dirname, '../proxy/codec/fuzz.test.ts');
/** Far above what the targets take: one that hangs is ended. */
const SLACK_MS = 60_000;
const MOST_TARGETS = 12;

/** What strangers' bytes go through, mutated from the corpus for as long as asked; `npm test` does it for a moment. */
export const fuzz: Suite = {
  name: 'fuzz',
  title: 'heads, chunks, HPACK, frames and paths, mutated from a corpus, in pieces of any size',
  async run(context) {
    const { seconds, seed } = context.options;
    const tap = await finished(process.execPath, ['--test', '--test-reporter=tap', TARGETS], {
      timeoutMs: MOST_TARGETS * seconds * 1000 + SLACK_MS,
      env: { WEFT_FUZZ_SECONDS: String(seconds), WEFT_FUZZ_SEED: String(seed) },
    });
    let verdicts = 0;
    for (const [, not, name = '', rest = ''] of tap.matchAll(/^(not )?ok \d+ - (.*)\n((?: {2}.*\n)*)/gm)) {
      verdicts++;
      if (not === undefined) context.pass(name);
      else context.fail(name, rest.slice(0, 3000));
    }
    if (!/^# tests \d+$/m.test(tap))
      context.fail('the run', `it did not come to its end (${verdicts} verdicts):\n${tap.slice(-1000)}`);
  },
};
