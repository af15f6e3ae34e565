import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** One change of one source file that breaks the mesh in a known way. */
export interface Fault {
  readonly name: string;
  readonly file: string;
  /** Must occur exactly once in the file, so that a fault cannot silently become none. */
  readonly from: string;
  readonly to: string;
}

/** A copy of the project with one fault in it. The project itself has no switches that break it. */
export interface BrokenCheckout {
  readonly root: string;
  remove(): void;
}

export function breakCheckout(fault: Fault): BrokenCheckout {
  const dir = mkdtempSync(join(tmpdir(), `weft-broken-${fault.name}-`));
  for (const part of ['src', 'conformance', 'smi-crds', 'package.json'])
    cpSync(join(root, part), join(dir, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(dir, 'node_modules'));
  const path = join(dir, fault.file);
  const text = readFileSync(path, 'utf8');
  const parts = text.split(fault.from);
  if (parts.length !== 2) {
    rmSync(dir, { recursive: true });
    throw new Error(
      `fault ${fault.name}: ${fault.file} has ${parts.length - 1} places that read ${JSON.stringify(fault.from)}; it needs exactly one`,
    );
  }
  writeFileSync(path, parts.join(fault.to));
  return { root: dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
