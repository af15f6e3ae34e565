import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const weft = resolve(import.meta.dirname, '../../src/main/weft.cjs');
const startUp = resolve(import.meta.dirname, '../../src/main/start-up.ts');

/** What V8 has compiled for speed while this ran. */
function compiledForSpeed(args: readonly string[], exitCode = 0): string[] {
  const { stdout, status } = spawnSync(process.execPath, ['--trace-opt', ...args], { encoding: 'utf8' });
  assert.equal(status, exitCode);
  return stdout.split('\n').filter((line) => /^\[completed (compiling|optimizing) /.test(line));
}

const busy = 'function busy(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i % 7; return sum; }';
const work = `${busy} for (let i = 0; i < 20000; i++) busy(100);`;

test('start-up: the executable compiles nothing for speed while it loads', () => {
  const compiled = compiledForSpeed([weft, 'proxy', '--config', '/nowhere'], 1);
  // Node's own start compiles a few before a line of ours runs; the loader of all modules would be dozens (45 to 61 seen)
  assert.ok(compiled.length < 15, compiled.join('\n'));
});

test('start-up: what runs once the code is loaded is compiled for speed', () => {
  const compilesBusy = (script: string) =>
    compiledForSpeed(['-e', script]).some((line) => line.includes('JSFunction busy '));
  const flags = `for (const flag of LOADING_FLAGS) require('node:v8').setFlagsFromString(flag);`;
  const script = (more: string) =>
    `const { LOADING_FLAGS, loaded } = require(${JSON.stringify(startUp)}); ${flags} ${more} ${work}`;
  assert.equal(compilesBusy(script('')), false);
  assert.equal(compilesBusy(script('loaded(undefined);')), true);
});

test('start-up: what had to be compiled is there for others while the process that did it still runs', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weft-compiled-'));
  const script = `
    const [{ readdirSync, writeFileSync }, { enableCompileCache }] = [require('node:fs'), require('node:module')];
    const { loaded } = require(${JSON.stringify(startUp)});
    writeFileSync(${JSON.stringify(join(dir, 'verb.cjs'))}, 'exports.verb = () => 1;');
    enableCompileCache(${JSON.stringify(join(dir, 'cache'))});
    require(${JSON.stringify(join(dir, 'verb.cjs'))});
    const written = () => readdirSync(${JSON.stringify(join(dir, 'cache'))}, { recursive: true }).length;
    const before = written();
    loaded(undefined);
    console.log(written() - before);`;
  try {
    const env = { ...process.env, NODE_COMPILE_CACHE: undefined };
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', env });
    assert.equal(stdout, '1\n');
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('start-up: a sidecar loads neither the log nor the regex engine before it needs them', () => {
  const hook = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) { console.log(url); return next(url, context); } });`;
  const args = ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, weft, 'proxy', '--config', '/nowhere'];
  const { stdout, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 1);
  const loaded = stdout.split('\n');
  assert.ok(loaded.some((url) => url.endsWith('/src/proxy/assemble.ts')));
  assert.deepEqual(
    loaded.filter((url) => /\/node_modules\/(pino|re2js)\//.test(url)),
    [],
  );
});
