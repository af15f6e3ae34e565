import { globSync } from 'node:fs';
import { join } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { sharedTests } from './shared.ts';

// npm test: every test file, those of ./shared.ts in one process, each other in its own. Exits with 1 when one fails.

const FOLDER = import.meta.dirname;
/** What takes longest begins first, so that nothing long is left alone at the end. */
const FIRST = [
  ...['conformance/local-mesh.test.ts', 'shared.ts', 'conformance/run-conformance.test.ts', 'system/demo.test.ts'],
  ...['local/runtime/netns.test.ts', 'cluster/kubectl-session.test.ts', 'system/own-manifests.test.ts'],
].map((file) => join(FOLDER, file));

const own = globSync('**/*.test.ts', { cwd: FOLDER })
  .map((file) => join(FOLDER, file))
  .filter((file) => !sharedTests.includes(file) && !FIRST.includes(file));
const execArgv = ['--require', join(FOLDER, 'compile-cache.cjs')];
run({ files: [...FIRST, ...own.sort()], concurrency: 3, timeout: 300_000, execArgv })
  .on('test:fail', () => (process.exitCode = 1))
  .compose(new spec())
  .pipe(process.stdout);
