import { execFile } from 'node:child_process';
import { trialCommands } from './plan.ts';

export type NetnsSupport =
  | { readonly available: true; readonly rootless: boolean; readonly redirect: 'nft' | 'iptables' }
  | { readonly available: false; readonly reason: string };

/** Tries out whether network namespaces with redirection can be made here, as root or in a user namespace. Takes 50 ms. */
export async function detectNetns(ways: readonly ('nft' | 'iptables')[] = ['nft', 'iptables']): Promise<NetnsSupport> {
  const rootless = process.getuid?.() !== 0;
  let reason = '';
  for (const redirect of ways) {
    const failure = await attempt([...unshareArguments(rootless), '/bin/sh'], trialCommands(redirect));
    if (failure === undefined) return { available: true, rootless, redirect };
    if (reason === '' || !/not found/.test(failure)) reason = failure;
  }
  return { available: false, reason };
}

/** What `unshare` is told to make the mesh's namespaces. */
export function unshareArguments(rootless: boolean): string[] {
  return [...(rootless ? ['--user', '--map-root-user'] : []), '--net', '--mount', '--propagation', 'private'];
}

function attempt(args: readonly string[], input: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = execFile('unshare', args, { timeout: 20_000 }, (error, _stdout, stderr) => {
      if (error === null) resolve(undefined);
      else if ((error as NodeJS.ErrnoException).code === 'ENOENT') resolve('unshare (util-linux) not found');
      else resolve(stderr.trim().split('\n').at(-1) || error.message);
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}
