import { flushCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';

/**
 * How V8 loads the code of Weft: without compiling any of it for speed. Loading 160 modules makes Node's resolver and loader hot, and
 * what is compiled of those and what the compilers leave behind stay with a process that never needs them again: 10 MB of a sidecar.
 * `weft.cjs` sets them, before anything is loaded; they are part of the key of Node's compile cache.
 */
export const LOADING_FLAGS = ['--no-opt', '--no-maglev', '--no-sparkplug', '--semi-space-growth-factor=1'] as const;
const RUNNING_FLAGS = ['--opt', '--maglev', '--sparkplug', '--semi-space-growth-factor=2'] as const;

/**
 * The code of the verb is loaded: from now on V8 does what it does everywhere. What had to be compiled is written now: Node does so when
 * a process ends, and those that start beside a mesh would all compile the same again.
 */
export function loaded<M>(module: M): M {
  flushCompileCache();
  for (const flag of RUNNING_FLAGS) setFlagsFromString(flag);
  return module;
}
