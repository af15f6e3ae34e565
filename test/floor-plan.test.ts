import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '..');

/** Folder of src/ -> folders it may import from, besides itself (architecture: imports go down only). */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  spec: ['base'],
  mesh: ['base'],
  compile: ['base', 'spec', 'mesh'],
  identity: ['base', 'mesh'],
  discovery: ['base', 'mesh'],
  proxy: ['base', 'mesh'],
  control: ['base', 'spec', 'mesh', 'compile', 'identity', 'discovery'],
  kubernetes: ['base', 'spec'],
  local: ['base', 'spec'],
  telemetry: ['base', 'mesh'],
  cli: ['base', 'spec', 'mesh', 'compile', 'identity'],
  main: [
    'base',
    'spec',
    'mesh',
    'compile',
    'identity',
    'discovery',
    'proxy',
    'control',
    'kubernetes',
    'local',
    'telemetry',
    'cli',
    'conformance',
  ],
  conformance: [],
};

/** Runtime package -> the only folders that may import it. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@kubernetes/client-node': ['kubernetes', 'conformance'],
  express: ['control', 'local'],
  'node-forge': ['identity'],
  'prom-client': ['telemetry'],
  'jaeger-client': ['telemetry'],
  pino: ['telemetry'],
  ajv: ['spec'],
  yaml: ['spec', 'conformance'],
  commander: ['cli'],
  re2js: ['mesh'],
  koffi: ['proxy'],
  ws: ['local', 'conformance'],
  '@grpc/grpc-js': ['conformance'],
};

interface Import {
  readonly file: string;
  readonly folder: string;
  readonly target: string;
}

function sources(dir: string): string[] {
  return readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(dir, name));
}

function folderOf(file: string): string {
  const parts = file.split('/');
  return parts[0] === 'src' ? (parts[1] ?? '') : (parts[0] ?? '');
}

const imports: Import[] = [...sources('src'), ...sources('conformance')].flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(
    /^\s*(?:import|export)\s(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm,
  );
  return [...found].map((m) => ({ file, folder: folderOf(file), target: m[1] ?? m[2] ?? '' }));
});

test('floor plan: the scan sees imports at all', () => {
  assert.ok(imports.length > 5, `only ${imports.length} imports found`);
});

test('floor plan: every folder of src/ has a floor', () => {
  const folders = readdirSync(join(root, 'src'));
  assert.deepEqual(
    folders.filter((f) => FLOORS[f] === undefined),
    [],
  );
});

test('floor plan: imports between folders go down only', () => {
  const broken = imports.filter(({ file, folder, target }) => {
    if (!target.startsWith('.')) return false;
    const to = folderOf(relative(root, resolve(root, dirname(file), target)));
    return to !== folder && !(FLOORS[folder] ?? []).includes(to);
  });
  assert.deepEqual(broken, []);
});

test('floor plan: each runtime package has its folders', () => {
  const broken = imports.filter(({ folder, target }) => {
    if (target.startsWith('.') || target.startsWith('node:')) return false;
    const name = target
      .split('/')
      .slice(0, target.startsWith('@') ? 2 : 1)
      .join('/');
    return !(PACKAGES[name] ?? []).includes(folder);
  });
  assert.deepEqual(broken, []);
});

test('floor plan: only main/ reads environment and arguments', () => {
  const offenders = [...sources('src'), ...sources('conformance')]
    .filter((file) => folderOf(file) !== 'main')
    .filter((file) => /\bprocess\.(env|argv)\b/.test(readFileSync(join(root, file), 'utf8')));
  assert.deepEqual(offenders, []);
});
