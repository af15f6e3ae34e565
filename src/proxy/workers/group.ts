import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { jittered, type Random } from '../../base/random.ts';
import { runAll } from '../../base/run-all.ts';
import { WatchSource, type Watch } from '../../base/watch.ts';
import type { Credentials } from '../../mesh/credentials.ts';
import type { ProxyConfig } from '../../mesh/resources.ts';
import { addSeries, emptySeries } from '../../mesh/series-sum.ts';
import type { TrafficSeries } from '../../mesh/traffic.ts';
import type { Destination } from '../destination.ts';
import type { ProxyState } from '../options.ts';
import type { FromWorker, ToWorker, WorkerReport } from './messages.ts';

/** A started thread; `Worker` of node:worker_threads is one. */
export interface WorkerThread {
  postMessage(message: ToWorker): void;
  on(event: 'message', listener: (message: FromWorker) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'exit', listener: () => void): unknown;
  terminate(): Promise<unknown>;
}

export interface WorkerGroupOptions {
  readonly count: number;
  readonly start: () => WorkerThread;
  /** What the main thread has judged to be usable. */
  readonly config: Watch<ProxyConfig>;
  readonly credentials: Watch<Credentials>;
  /** On-demand discovery, see `ProxyOptions.lookup`. */
  readonly lookup?: (destination: Destination) => Promise<void>;
  /** How long a worker may take to drain and end before it is ended. */
  readonly stopMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** How often counters are fetched, so that a worker that dies takes no more than this with it. */
const REPORT_MS = 5_000;
/** A worker that has not reported by then is busy: its last report counts. */
const REPORT_TIMEOUT_MS = 1_000;
const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 10_000;
/** A worker that has lived so long did not die of what it was started into. */
const LASTING_MS = 60_000;

/**
 * The data paths of a sidecar with more than one event loop: N workers, each with its own listeners on the same ports,
 * among which the kernel shares the connections out. Each has its own pools, tunnels, limits and counters; configuration
 * and certificates come from the main thread, which alone talks to the control plane.
 * A worker that dies is started again with backoff; the others go on.
 */
export class WorkerGroup {
  /** Every worker has served once, and one does now. */
  readonly ready = new WatchSource(false);
  readonly #options: WorkerGroupOptions;
  readonly #live = new Set<LiveWorker>();
  /** Counters of workers that are no more, by their labels: what was counted once must never shrink. */
  readonly #retired = new Map<string, TrafficSeries>();
  #started = false;

  constructor(options: WorkerGroupOptions) {
    this.#options = options;
  }

  /**
   * Runs the workers until aborted, then lets them drain.
   * @throws Error when one ends before all have served for the first time: a listener that cannot be opened, most likely
   */
  async run(signal: AbortSignal): Promise<void> {
    const { count, config, credentials, clock } = this.#options;
    const stops = [
      config.subscribe(() => this.#live.forEach((worker) => worker.configure(config.current()))),
      credentials.subscribe(() => this.#live.forEach((worker) => worker.certify(credentials.current()))),
    ];
    const fetch = async (over: AbortSignal) => {
      while (!over.aborted) {
        await clock.sleep(REPORT_MS, over).catch(() => undefined);
        await this.#fetchReports();
      }
    };
    try {
      const keep = Array.from({ length: count }, () => (over: AbortSignal) => this.#keep(over));
      await runAll([...keep, fetch], signal);
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** The counters of all workers, of those that died too, added up. */
  async traffic(): Promise<TrafficSeries[]> {
    await this.#fetchReports();
    const sums = new Map<string, TrafficSeries>();
    const live = [...this.#live].flatMap((worker) => worker.report?.series ?? []);
    for (const series of [...this.#retired.values(), ...live]) add(sums, series);
    return [...sums.values()];
  }

  async describe(): Promise<ProxyState[]> {
    await this.#fetchReports();
    return [...this.#live].flatMap((worker) => worker.report?.state ?? []);
  }

  async #fetchReports(): Promise<void> {
    const done = new AbortController();
    const late = this.#options.clock.sleep(REPORT_TIMEOUT_MS, done.signal).catch(() => undefined);
    await Promise.race([late, Promise.all([...this.#live].map((worker) => worker.fetchReport()))]);
    done.abort();
  }

  /** One of the workers, from its first life to its last. */
  async #keep(signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#options;
    for (let deaths = 0; !signal.aborted; deaths++) {
      const bornMs = clock.now();
      const error = await this.#life(signal);
      if (signal.aborted) return;
      if (!this.#started) throw error ?? new Error('a worker has ended by itself');
      if (clock.now() - bornMs > LASTING_MS) deaths = 0;
      const backoffMs = jittered(Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** deaths), 0.2, random);
      log.error('a worker has died, another one takes its place', { error: error?.message, backoffMs });
      await clock.sleep(backoffMs, signal).catch(() => undefined);
    }
  }

  /** One life of a worker. Resolves when its thread is gone, with what it died of. */
  async #life(signal: AbortSignal): Promise<Error | undefined> {
    const { start, config, credentials, clock, stopMs, lookup } = this.#options;
    const worker = new LiveWorker(start(), () => this.#updateReady(), lookup);
    this.#live.add(worker);
    worker.certify(credentials.current());
    worker.configure(config.current());
    const gone = new AbortController();
    const stop = () => {
      worker.stop();
      void clock.sleep(stopMs, gone.signal).then(
        () => worker.terminate(),
        () => undefined,
      );
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const error = await worker.ended;
    gone.abort();
    signal.removeEventListener('abort', stop);
    this.#live.delete(worker);
    for (const series of worker.report?.series ?? []) this.#retire(series);
    this.#updateReady();
    return error;
  }

  #retire(series: TrafficSeries): void {
    const sum = add(this.#retired, series);
    sum.tcpClosed += sum.tcpOpen; // its connections have died with it
    sum.tcpOpen = 0;
  }

  #updateReady(): void {
    const serving = [...this.#live].filter((worker) => worker.ready).length;
    if (serving === this.#options.count) this.#started = true;
    this.ready.set(this.#started && serving > 0);
  }
}

/** Adds a series to the sum of those with its labels. @returns that sum */
function add(sums: Map<string, TrafficSeries>, series: TrafficSeries): TrafficSeries {
  const key = JSON.stringify(series.labels);
  let sum = sums.get(key);
  if (sum === undefined) sums.set(key, (sum = emptySeries(series.labels)));
  addSeries(sum, series);
  return sum;
}

/** One thread, from its start to its end. */
class LiveWorker {
  ready = false;
  report: WorkerReport | undefined;
  /** Resolves when the thread is gone, with what it died of. */
  readonly ended: Promise<Error | undefined>;
  readonly #thread: WorkerThread;
  #configured: ProxyConfig | undefined;
  #waiting: (() => void)[] = [];
  #gone = false;

  constructor(thread: WorkerThread, onReady: () => void, lookup: WorkerGroupOptions['lookup']) {
    this.#thread = thread;
    this.ended = new Promise((resolve) => {
      let cause: Error | undefined;
      thread.on('error', (error) => (cause = error));
      thread.on('exit', () => {
        this.#gone = true;
        this.#answerWaiting();
        resolve(cause);
      });
    });
    thread.on('message', (message) => {
      switch (message.type) {
        case 'ready':
          this.ready = message.ready;
          return onReady();
        case 'report':
          this.report = message;
          return this.#answerWaiting();
        case 'lookUp': {
          const answer = () => thread.postMessage({ type: 'lookedUp', question: message.question });
          return void lookup?.(message.destination).then(answer, answer);
        }
      }
    });
  }

  /** Sends what differs from what the worker has. */
  configure(config: ProxyConfig | undefined): void {
    if (config === undefined) return;
    const before = this.#configured;
    const set = [...config.values()].filter((resource) => before?.get(resource.key) !== resource);
    const removed = [...(before?.keys() ?? [])].filter((key) => !config.has(key));
    this.#configured = config;
    this.#thread.postMessage({ type: 'config', set, removed });
  }

  certify(credentials: Credentials | undefined): void {
    if (credentials !== undefined) this.#thread.postMessage({ type: 'credentials', credentials });
  }

  /** Resolves when it has reported, or is gone. */
  fetchReport(): Promise<void> {
    if (this.#gone) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#thread.postMessage({ type: 'report' });
    });
  }

  #answerWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  stop(): void {
    this.#thread.postMessage({ type: 'stop' });
  }

  terminate(): void {
    void this.#thread.terminate();
  }
}
