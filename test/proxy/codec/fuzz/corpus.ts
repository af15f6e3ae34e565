import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unescape } from '../vectors.ts';

/**
 * Inputs that were worth keeping: seeds, and what fuzzing has found. `*.txt` holds one input per line, with the escapes of
 * the vectors; `*.hex` the same in hex. Lines that begin with `#` say where the ones below come from.
 */
export function readCorpus(file: string): Buffer[] {
  const lines = readFileSync(join(import.meta.dirname, 'corpus', file), 'utf8').split('\n');
  const inputs = lines.filter((line) => line !== '' && !line.startsWith('#'));
  return inputs.map((line) =>
    file.endsWith('.hex') ? Buffer.from(line.replaceAll(' ', ''), 'hex') : Buffer.from(unescape(line), 'latin1'),
  );
}
