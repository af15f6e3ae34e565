import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test, type TestContext } from 'node:test';

const program = resolve(import.meta.dirname, '../../src/main/weft.cjs');

/** Starts `weft local` with arguments that it cannot start with, and waits for its end. */
async function start(args: readonly string[]): Promise<{ readonly code: number | null; readonly stderr: string }> {
  // What hangs is killed: its code is then null
  const child = spawn(process.execPath, [program, 'local', '--no-demo', '--isolation', 'process', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 30_000,
    killSignal: 'SIGKILL',
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stderr };
}

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), 'weft-system-'));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

test('weft local: a kubeconfig that cannot be written is said, and the process ends', async (t) => {
  const dir = folder(t);
  const { code, stderr } = await start(['--kubeconfig', dir]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /cannot write the kubeconfig \(EISDIR.*fix: /);
  assert.ok(stderr.includes(dir));
});

test('weft local: a start that fails gives the data folder back', async (t) => {
  const dir = folder(t);
  const data = join(dir, 'data');
  const { code } = await start(['--kubeconfig', dir, '--data-dir', data]);
  assert.equal(code, 1);
  assert.ok(!readdirSync(data).includes('lock'));
});

test('weft local: a data folder that is a file is said, and the process ends', async (t) => {
  const file = join(folder(t), 'data');
  writeFileSync(file, 'not a folder');
  const { code, stderr } = await start(['--data-dir', file]);
  assert.equal(code, 1, stderr);
  assert.ok(stderr.includes(file), stderr);
});
