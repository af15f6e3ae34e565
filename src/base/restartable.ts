import type { Task } from './run-all.ts';

/** A task that can be stopped and started again while it is run as a part of something that goes on. */
export interface Restartable {
  /** Runs the task, again after each stop and start, until aborted. @throws what the task throws by itself */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the task has ended. */
  stop(): Promise<void>;
  /** Resolves when the task is up again. */
  start(): Promise<void>;
}

/** @param task calls `up` once it serves */
export function restartable(task: (signal: AbortSignal, up: () => void) => Promise<void>): Restartable {
  let stopping = new AbortController();
  let ended = Promise.withResolvers<void>();
  let wanted = Promise.withResolvers<void>();
  let up = Promise.withResolvers<void>();
  wanted.resolve();
  const run: Task = async (signal) => {
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!signal.aborted) {
      await task(AbortSignal.any([signal, stopping.signal]), up.resolve);
      if (!stopping.signal.aborted) return; // it has ended by itself
      ended.resolve();
      await Promise.race([wanted.promise, aborted]);
    }
  };
  return {
    run,
    async stop() {
      wanted = Promise.withResolvers();
      up = Promise.withResolvers();
      stopping.abort(new Error('stopped'));
      await ended.promise;
    },
    async start() {
      stopping = new AbortController();
      ended = Promise.withResolvers();
      wanted.resolve();
      await up.promise;
    },
  };
}
