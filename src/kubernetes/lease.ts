import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { jittered, type Random } from '../base/random.ts';
import { type Watch, WatchSource } from '../base/watch.ts';
import { Json } from '../spec/json.ts';
import type { KubernetesApi } from './api.ts';
import { isConflict, isNotFound } from './error.ts';

export interface LeaseOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly namespace: string;
  readonly name: string;
  /** Who this replica is; must differ from all others, so the pod's name and something random. */
  readonly identity: string;
  /** How long others wait for a leader that no longer renews. The defaults are client-go's. */
  readonly leaseDurationMs?: number;
  /** How long a leader that cannot renew goes on; must be shorter than the lease. */
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
}

export interface Leadership {
  /** Whether this replica leads. False first. */
  readonly leading: Watch<boolean>;
  /** Takes part in the election until aborted, then hands the lease back. */
  run(signal: AbortSignal): Promise<void>;
}

interface Seen {
  readonly record: string;
  readonly atMs: number;
}

/**
 * Leader election over a coordination.k8s.io Lease, as client-go does it. Another holder's lease counts as over when it did
 * not change for its whole duration by *our* clock, since clocks of machines differ. A leader that cannot renew
 * steps down before others may take over.
 */
export function leaseElection(options: LeaseOptions): Leadership {
  const { clock, random, log, leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = options;
  const leading = new WatchSource<boolean>(false);
  let seen: Seen | undefined;
  let renewedMs = 0;

  function set(leads: boolean): void {
    if (leading.current() === leads) return;
    log.info(leads ? 'this replica leads' : 'this replica no longer leads', { identity: options.identity });
    leading.set(leads);
  }

  /** One try to get or to keep the lease. */
  async function attempt(signal: AbortSignal): Promise<boolean> {
    const startedMs = clock.now();
    const lease = await read(options, signal);
    if (lease === undefined) await write(options, undefined, leaseDurationMs, signal);
    else {
      const holder = holderOf(lease);
      const record = JSON.stringify(lease.at('spec').value ?? null);
      if (seen?.record !== record) seen = { record, atMs: startedMs };
      const over = startedMs >= seen.atMs + durationOf(lease, leaseDurationMs);
      if (holder !== '' && holder !== options.identity && !over) return false;
      await write(options, lease, leaseDurationMs, signal);
    }
    renewedMs = startedMs; // before the write began: our lease is over no later than others think
    return true;
  }

  return {
    leading,
    async run(signal) {
      while (!signal.aborted) {
        // a leader must have stepped down before the others' patience ends, so its tries fit into what is left of the deadline
        const leftMs = () => (leading.current() === true ? renewedMs + renewDeadlineMs - clock.now() : renewDeadlineMs);
        try {
          set(await attempt(AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, Math.ceil(leftMs())))])));
        } catch (error) {
          if (signal.aborted) break;
          if (!isConflict(error)) log.warn('cannot reach the lease', { error: String(error) });
          if (leftMs() <= 0) set(false);
        }
        const pauseMs = Math.min(jittered(retryMs, 0.2, random), Math.max(0, leftMs()));
        await clock.sleep(pauseMs, signal).catch(() => undefined);
      }
      const led = leading.current() === true;
      set(false);
      if (led)
        await release(options).catch((error: unknown) =>
          log.warn('cannot hand the lease back', { error: String(error) }),
        );
    },
  };
}

function leasePath({ namespace, name }: LeaseOptions, own: boolean): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases${own ? `/${name}` : ''}`;
}

async function read(options: LeaseOptions, signal: AbortSignal): Promise<Json | undefined> {
  try {
    return new Json(await options.api.call({ method: 'GET', path: leasePath(options, true) }, signal), '', []);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

function holderOf(lease: Json): string {
  return lease.at('spec').at('holderIdentity').optionalString() ?? '';
}

function durationOf(lease: Json, defaultMs: number): number {
  const seconds = lease.at('spec').at('leaseDurationSeconds').optionalNumber();
  return seconds === undefined ? defaultMs : seconds * 1_000;
}

async function write(options: LeaseOptions, elder: Json | undefined, durationMs: number, signal: AbortSignal) {
  const { api, clock, identity, namespace, name } = options;
  const now = microTime(clock.now());
  const old = elder?.at('spec');
  const mine = elder !== undefined && holderOf(elder) === identity;
  const transitions = old?.at('leaseTransitions').optionalNumber() ?? 0;
  const spec = {
    holderIdentity: identity,
    leaseDurationSeconds: Math.ceil(durationMs / 1_000),
    acquireTime: mine ? (old?.at('acquireTime').optionalString() ?? now) : now,
    renewTime: now,
    leaseTransitions: mine || elder === undefined ? transitions : transitions + 1,
  };
  if (elder === undefined) {
    const body = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace }, spec };
    await api.call({ method: 'POST', path: leasePath(options, false), body }, signal);
  } else {
    const body = { ...(elder.value as object), spec }; // with the resourceVersion that was read: others lose the race
    await api.call({ method: 'PUT', path: leasePath(options, true), body }, signal);
  }
}

/** Lets the next replica in at once. Bounded, since it runs while the process ends. */
async function release(options: LeaseOptions): Promise<void> {
  const signal = AbortSignal.timeout(2_000);
  const lease = await read(options, signal);
  if (lease === undefined || holderOf(lease) !== options.identity) return;
  const spec = { ...(lease.at('spec').value as object), holderIdentity: '', leaseDurationSeconds: 1 };
  await options.api.call(
    { method: 'PUT', path: leasePath(options, true), body: { ...(lease.value as object), spec } },
    signal,
  );
}

/** Kubernetes' MicroTime: RFC 3339 with six digits of a second. */
export function microTime(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z');
}
