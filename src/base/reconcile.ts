import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import { jittered, type Random } from './random.ts';
import type { Watch } from './watch.ts';

/**
 * Level-based control: `reconcile` looks at what is and makes it what it should be, whatever happened in between.
 * Throwing means: try again, with backoff. It never runs twice at once.
 */
export interface Reconciler {
  readonly name: string;
  /** Each change of one of these causes a run (several changes may share one run). */
  readonly watches: readonly Pick<Watch<unknown>, 'subscribe'>[];
  /** Changes within this time after the first share one run; instead of what all reconcilers are run with. */
  readonly settleMs?: number;
  reconcile(signal: AbortSignal): Promise<void>;
}

export interface RunReconcilerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** First pause after a failure, doubled up to `maxBackoffMs`. */
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** Changes within this time after the first share one run. */
  readonly settleMs?: number;
}

/** Runs a reconciler until aborted: once at the start, then after each change, with backoff after failures. */
export async function runReconciler(reconciler: Reconciler, options: RunReconcilerOptions, signal: AbortSignal) {
  const { clock, random, log, minBackoffMs = 100, maxBackoffMs = 30_000 } = options;
  const settleMs = reconciler.settleMs ?? options.settleMs ?? 0;
  let dirty = true;
  let wake: (() => void) | undefined;
  const mark = () => {
    dirty = true;
    wake?.();
  };
  const stops = reconciler.watches.map((watch) => watch.subscribe(mark));
  signal.addEventListener('abort', mark, { once: true });
  let failures = 0;
  try {
    while (!signal.aborted) {
      if (!dirty) {
        await new Promise<void>((resolve) => (wake = resolve));
        wake = undefined;
        if (settleMs > 0) await clock.sleep(settleMs, signal);
        continue;
      }
      dirty = false;
      try {
        await reconciler.reconcile(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        dirty = true;
        const backoffMs = jittered(Math.min(maxBackoffMs, minBackoffMs * 2 ** failures++), 0.2, random);
        log.warn('reconcile failed, will retry', { reconciler: reconciler.name, error: String(error), backoffMs });
        await clock.sleep(backoffMs, signal);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const stop of stops) stop();
    signal.removeEventListener('abort', mark);
  }
}
