import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';

/** Finds a command as execvp would. @throws an Error whose message says what is missing and where it was looked for */
export function findExecutable(command: string, path: string, cwd: string): string {
  if (command.includes('/')) {
    const file = isAbsolute(command) ? command : resolve(cwd, command);
    const problem = problemOf(file);
    if (problem === undefined) return file;
    throw new Error(`executable "${command}" ${problem}`);
  }
  let denied: string | undefined;
  for (const folder of path.split(':')) {
    const file = resolve(cwd, folder === '' ? '.' : folder, command);
    const problem = problemOf(file);
    if (problem === undefined) return file;
    if (problem !== 'does not exist') denied ??= `executable "${file}" ${problem}`;
  }
  throw new Error(denied ?? `executable "${command}" not found in PATH (${path})`);
}

function problemOf(file: string): string | undefined {
  try {
    if (!statSync(file).isFile()) return 'is not a file';
    accessSync(file, constants.X_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EACCES' ? 'may not be executed' : 'does not exist';
  }
}
