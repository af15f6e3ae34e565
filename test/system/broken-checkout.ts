import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** A change of one place of one source file. */
export interface Edit {
  readonly file: string;
  /** Must occur exactly once in the file, so that a fault cannot silently become none. */
  readonly from: string;
  readonly to: string;
}

/** A change of one line. */
export interface LineEdit {
  readonly file: string;
  /** The whole line without its indentation; must occur exactly once in the file. */
  readonly line: string;
  readonly becomes: string;
}

/** The same change, as a change of one place. @throws Error when no line, or more than one, reads so */
export function editOfLine({ file, line, becomes }: LineEdit): Edit {
  const found = readFileSync(join(root, file), 'utf8')
    .split('\n')
    .filter((each) => each.trim() === line);
  if (found.length !== 1)
    throw new Error(`${file} has ${found.length} lines that read ${JSON.stringify(line)}; it needs exactly one`);
  const whole = found[0]!;
  return { file, from: `\n${whole}\n`, to: `\n${whole.replace(line, () => becomes)}\n` };
}

/** A copy of the project with a fault in it. The project itself has no switches that break it. */
export interface BrokenCheckout {
  readonly root: string;
  remove(): void;
}

/**
 * Copies what a mesh needs to run and makes the edits there; none gives a plain copy.
 * @param name part of the folder's name
 * @throws Error when the text of an edit is not there, or more than once
 */
export function breakCheckout(name: string, edits: readonly Edit[]): BrokenCheckout {
  const dir = mkdtempSync(join(tmpdir(), `weft-broken-${name}-`));
  const checkout = { root: dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
  try {
    for (const part of ['src', 'conformance', 'smi-crds', 'package.json'])
      cpSync(join(root, part), join(dir, part), { recursive: true });
    linkPackages(dir);
    for (const edit of edits) applyEdit(dir, name, edit);
  } catch (error) {
    checkout.remove();
    throw error;
  }
  return checkout;
}

/** One link per package: the folder itself is the copy's own, so that its compile cache goes when the copy goes. */
function linkPackages(dir: string): void {
  mkdirSync(join(dir, 'node_modules'));
  for (const entry of readdirSync(join(root, 'node_modules')))
    if (entry !== '.cache') symlinkSync(join(root, 'node_modules', entry), join(dir, 'node_modules', entry));
}

function applyEdit(dir: string, name: string, { file, from, to }: Edit): void {
  const path = join(dir, file);
  const parts = readFileSync(path, 'utf8').split(from);
  if (parts.length !== 2)
    throw new Error(
      `fault ${name}: ${file} has ${parts.length - 1} places that read ${JSON.stringify(from)}; it needs exactly one`,
    );
  writeFileSync(path, parts.join(to));
}
