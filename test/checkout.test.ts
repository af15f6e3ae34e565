import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { run } from './system/local-mesh.ts';

/** `npm run check`, as tests: they run beside the others, and are counted with them. `lint` checks types too. */
for (const part of ['lint', 'format'])
  test(`checkout: ${part === 'lint' ? 'types and lint' : part}`, async () => {
    const { code, stdout, stderr } = await run('npm', [
      '--prefix',
      resolve(import.meta.dirname, '..'),
      'run',
      '-s',
      part,
    ]);
    assert.equal(code, 0, `${stdout}${stderr}\nnpm run ${part} shows it again`);
  });
