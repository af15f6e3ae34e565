import type { Logger } from '../../base/log.ts';
import type { ApiClient } from '../api-client.ts';
import type { Isolation } from './isolation.ts';
import { detectNetns, type NetnsSupport } from './netns/detect.ts';
import { netnsIsolation } from './netns/isolation.ts';
import type { Run } from './options.ts';
import { processIsolation } from './process-isolation.ts';

export type IsolationChoice =
  | { readonly kind: 'netns'; readonly reason: string; readonly support: Extract<NetnsSupport, { available: true }> }
  | { readonly kind: 'process'; readonly reason: string };

/**
 * Decides how pods are kept apart: what was wanted, or for `auto` the best that this machine allows. `reason` is for
 * people: which, and why.
 * @throws when `netns` was wanted and cannot be had (message with the fix)
 */
export async function detectIsolation(wanted: 'auto' | 'netns' | 'process'): Promise<IsolationChoice> {
  if (wanted === 'process') return { kind: 'process', reason: 'isolation process, as asked' };
  const support = await detectNetns();
  if (support.available) {
    const how = support.rootless ? 'in a rootless user namespace' : 'as root';
    return {
      kind: 'netns',
      reason: `isolation netns: network namespaces ${how}, redirection by ${support.redirect}`,
      support,
    };
  }
  const missing = `network namespaces with redirection cannot be made here (${support.reason})`;
  if (wanted === 'auto') return { kind: 'process', reason: `isolation process: ${missing}` };
  throw new Error(
    `${missing}; install iproute2, util-linux and nftables or iptables, allow unprivileged user namespaces ` +
      `(sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0) or run as root, ` +
      `or use --isolation process`,
  );
}

export interface OpenIsolationOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly run: Run;
  /** Policy of namespaces that state none is `deny`. */
  readonly denyByDefault: boolean;
  /** PATH on which unshare, nsenter, ip, nft and iptables are found. */
  readonly path: string;
}

/** Makes the isolation that was decided on. */
export function openIsolation(choice: IsolationChoice, options: OpenIsolationOptions): Promise<Isolation> {
  if (choice.kind === 'process') return processIsolation();
  const { rootless, redirect } = choice.support;
  return netnsIsolation({ ...options, rootless, redirect });
}
