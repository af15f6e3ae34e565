import type { Clock } from '../../base/clock.ts';
import type { Container, Probe } from '../controllers/objects.ts';
import { probe, type ProbeTarget } from './probe.ts';

/** What the probes of one run of a container find. */
export interface ProbeListener {
  onStarted(): void;
  onReady(ready: boolean): void;
  /** Startup or liveness failed for good: the container has to be restarted. */
  onUnhealthy(kind: 'startup' | 'liveness', graceSeconds: number | undefined): void;
  /** One attempt failed. */
  onFailure(kind: 'Startup' | 'Readiness' | 'Liveness', message: string): void;
}

/** Until something succeeds for the first time it is asked this often at least, so that pods are ready soon. */
const EAGER_MS = 1000;

/** Runs a container's probes until the signal aborts. Never rejects. */
export async function runProbes(
  container: Container,
  target: ProbeTarget,
  listener: ProbeListener,
  clock: Clock,
  signal: AbortSignal,
  eagerMs = EAGER_MS,
): Promise<void> {
  const { startupProbe, readinessProbe, livenessProbe } = container;
  const loop = (spec: Probe, firstEagerMs: number, kind: 'Startup' | 'Readiness' | 'Liveness', onVerdict: Verdict) =>
    probeLoop({ spec, eagerMs: firstEagerMs, clock, signal, onVerdict, kind, listener, target });
  try {
    if (startupProbe !== undefined) {
      const passed = await loop(startupProbe, eagerMs, 'Startup', () => 'stop');
      if (passed !== true) {
        if (passed === false) listener.onUnhealthy('startup', startupProbe.terminationGracePeriodSeconds);
        return;
      }
    }
    listener.onStarted();
    const loops: Promise<unknown>[] = [];
    if (readinessProbe === undefined) listener.onReady(true);
    else {
      loops.push(
        loop(readinessProbe, eagerMs, 'Readiness', (ok) => {
          listener.onReady(ok);
          return 'go on';
        }),
      );
    }
    if (livenessProbe !== undefined) {
      const grace = livenessProbe.terminationGracePeriodSeconds;
      loops.push(
        loop(livenessProbe, Infinity, 'Liveness', (ok) => {
          if (!ok) listener.onUnhealthy('liveness', grace);
          return ok ? 'go on' : 'stop';
        }),
      );
    }
    await Promise.all(loops);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Told when a threshold is reached. */
type Verdict = (ok: boolean) => 'go on' | 'stop';

interface ProbeLoop {
  readonly spec: Probe;
  readonly eagerMs: number;
  readonly kind: 'Startup' | 'Readiness' | 'Liveness';
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly target: ProbeTarget;
  readonly listener: ProbeListener;
  readonly onVerdict: Verdict;
}

/** Gives back the verdict that stopped it. */
async function probeLoop(loop: ProbeLoop): Promise<boolean | undefined> {
  const { spec, eagerMs, kind, clock, signal, target, listener, onVerdict } = loop;
  const periodMs = (spec.periodSeconds ?? 10) * 1000;
  const { successThreshold = 1, failureThreshold = 3 } = spec;
  if ((spec.initialDelaySeconds ?? 0) > 0) await clock.sleep((spec.initialDelaySeconds ?? 0) * 1000, signal);
  let successes = 0;
  let failures = 0;
  let everGood = false;
  let eagerUntil = 0; // eager attempts between two regular ones do not count as failures
  while (!signal.aborted) {
    const failure = await probe(spec, target, signal);
    if (signal.aborted) return undefined;
    if (failure === undefined) {
      successes++;
      failures = 0;
      everGood = true;
      if (successes === successThreshold && onVerdict(true) === 'stop') return true;
    } else {
      successes = 0;
      const counts = clock.now() >= eagerUntil;
      if (counts) {
        failures++;
        eagerUntil = clock.now() + periodMs;
        listener.onFailure(kind, failure);
        const reached = failures === failureThreshold;
        if (reached && kind === 'Startup') return false;
        if (reached && onVerdict(false) === 'stop') return false;
      }
    }
    await clock.sleep(everGood ? periodMs : Math.min(periodMs, eagerMs), signal);
  }
  return undefined;
}
