import { readFileSync } from 'node:fs';
import { program } from '../cli/program.ts';
import { loaded } from './start-up.ts';

/**
 * Runs one verb. Each verb is imported only when asked for: a sidecar must not pay for the API server's code.
 * Sets the exit code of the process; never calls `process.exit` while something is still running well.
 */
export async function main(argv: readonly string[]): Promise<void> {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const weft = program(
    {
      local: async (options) => loaded(await import('./local.ts')).local(options),
      controller: async (options) => loaded(await import('./controller.ts')).controller(options),
      proxy: async (options) => loaded(await import('./proxy.ts')).proxy(options),
      conformance: async (options) => loaded(await import('./conformance.ts')).conformance(options),
      testapp: async (args) => loaded(await import('./testapp.ts')).testapp(args),
      shop: async (args) => loaded(await import('./shop.ts')).shop(args),
    },
    version,
    (code) => (process.exitCode = code),
  );
  await weft.parseAsync([...argv], { from: 'user' });
}
