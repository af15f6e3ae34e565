import { resolve } from 'node:path';
import type { Suite } from './suite.ts';
import { finished } from './tools.ts';

const VECTORS = resolve(import.meta.dirname, '../proxy/codec/http1-vectors.test.ts');

/** Our own HTTP/1.1 byte strings with their verdicts, which `npm test` runs as well. */
export const h1Vectors: Suite = {
  name: 'h1-vectors',
  title: 'HTTP/1.1 heads and bodies, accept and reject, whole, byte by byte and cut anywhere',
  async run(context) {
    const tap = await finished(process.execPath, ['--test', '--test-reporter=tap', VECTORS]);
    for (const [, not, name = ''] of tap.matchAll(/^(not )?ok \d+ - (.*)$/gm)) {
      if (not === undefined) context.pass(name);
      else context.fail(name, 'see npx node --test test/proxy/codec/http1-vectors.test.ts');
    }
  },
};
