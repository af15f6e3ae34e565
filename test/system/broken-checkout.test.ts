import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { breakCheckout } from './broken-checkout.ts';
import { MESH_FAULTS } from './mesh-faults.ts';

const root = resolve(import.meta.dirname, '../..');

for (const [name, edits] of Object.entries(MESH_FAULTS)) {
  test(`broken checkout: ${name} finds its places in today's sources, and what it makes of them loads`, async () => {
    const checkout = breakCheckout(name, edits);
    try {
      for (const { file, to } of edits) {
        assert.notEqual(readFileSync(join(checkout.root, file), 'utf8'), readFileSync(join(root, file), 'utf8'));
        assert.ok(readFileSync(join(checkout.root, file), 'utf8').includes(to));
        await import(pathToFileURL(join(checkout.root, file)).href);
      }
    } finally {
      checkout.remove();
    }
    assert.ok(!existsSync(checkout.root));
  });
}

test('broken checkout: an edit whose text is gone, or is there twice, is refused by name', () => {
  const edit = (from: string) => ({ file: 'package.json', from, to: '' });
  assert.throws(() => breakCheckout('gone', [edit('no such text')]), /fault gone: package\.json has 0 places/);
  assert.throws(() => breakCheckout('twice', [edit('"')]), /fault twice: package\.json has \d+ places/);
});
