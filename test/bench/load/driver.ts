import { Worker } from 'node:worker_threads';
import { nowMs } from './clock.ts';
import { Samples } from './samples.ts';
import type { LoadReport } from './spec.ts';

/** Room for one request at a time: a connection, or one of the streams of one. */
export interface Lane {
  /** Begins a request. Its end is told to `Driver.done`. */
  send(): void;
  /** When the request that runs began, or should have begun; the driver's. */
  startedMs: number;
}

/** After the last request was sent: time for the last replies. */
const TAIL_MS = 5_000;

/** Hands requests to lanes, in a closed or an open loop, and measures them. */
export class Driver {
  readonly #latencies = new Samples();
  readonly #lateness = new Samples();
  /** Open loop: lanes that wait for a request, and the times of requests that wait for a lane. */
  readonly #free: Lane[] = [];
  readonly #backlog: number[] = [];
  readonly #ratePerSecond: number;
  readonly #open: boolean;
  #running = 0;
  #failures = 0;
  #firstFailure = '';
  #stopped = false;
  #onIdle: () => void = () => {};

  /** @param ratePerSecond 0 = closed loop */
  constructor(ratePerSecond: number) {
    this.#ratePerSecond = ratePerSecond;
    this.#open = ratePerSecond > 0;
  }

  /** Runs the load over these lanes, which are connected, and waits for its last reply. */
  async run(lanes: readonly Lane[], seconds: number): Promise<LoadReport> {
    const begun = this.#open ? await this.#schedule(lanes, seconds) : await this.#saturate(lanes, seconds);
    const elapsed = (nowMs() - begun) / 1000;
    this.#stopped = true;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    const tail = setTimeout(() => this.#onIdle(), TAIL_MS);
    if (this.#running > 0) await idle;
    clearTimeout(tail);
    this.#fail(this.#running + this.#backlog.length, 'no reply in time');
    return {
      units: this.#latencies.length,
      failures: this.#failures,
      firstFailure: this.#firstFailure,
      perSecond: this.#latencies.length / elapsed,
      p50Ms: this.#latencies.quantile(0.5),
      p99Ms: this.#latencies.quantile(0.99),
      p999Ms: this.#latencies.quantile(0.999),
      late99Ms: this.#lateness.quantile(0.99),
    };
  }

  /** The reply of a lane's request is complete, or, with a reason, will never be. */
  done(lane: Lane, failure?: string): void {
    const now = nowMs();
    this.#running--;
    if (failure === undefined) this.#latencies.add(now - lane.startedMs);
    else this.#fail(1, failure);
    if (this.#backlog.length > 0) this.#begin(lane, this.#backlog.shift()!);
    else if (this.#open) this.#free.push(lane);
    else if (!this.#stopped) this.#begin(lane, now);
    if (this.#stopped && this.#running === 0) this.#onIdle();
  }

  #fail(requests: number, why: string): void {
    this.#failures += requests;
    if (requests > 0) this.#firstFailure ||= why;
  }

  #begin(lane: Lane, startedMs: number): void {
    lane.startedMs = startedMs;
    this.#running++;
    lane.send();
  }

  /** @returns when it began */
  async #saturate(lanes: readonly Lane[], seconds: number): Promise<number> {
    const begun = nowMs();
    for (const lane of lanes) this.#begin(lane, nowMs());
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    return begun;
  }

  /**
   * A request that finds no free lane waits, and its latency counts from when it was due: nothing is omitted.
   * @returns when it began
   */
  #schedule(lanes: readonly Lane[], seconds: number): Promise<number> {
    this.#free.push(...lanes);
    const intervalMs = 1000 / this.#ratePerSecond;
    const count = Math.round(this.#ratePerSecond * seconds);
    const pacer = new Worker(new URL('./pacer.ts', import.meta.url), { workerData: { intervalMs, count } });
    let begun = 0;
    let startMs = 0;
    pacer.on('message', (firstMs: number) => {
      startMs = firstMs;
      const now = nowMs();
      const due = Math.min(count, Math.floor((now - startMs) / intervalMs) + 1);
      for (; begun < due; begun++) {
        const dueMs = startMs + begun * intervalMs;
        const lane = this.#free.shift();
        if (lane === undefined) this.#backlog.push(dueMs);
        else this.#begin(lane, dueMs);
        this.#lateness.add(now - dueMs);
      }
    });
    return new Promise((resolve, reject) => {
      pacer.on('error', reject);
      pacer.on('exit', () => resolve(startMs));
    });
  }
}
