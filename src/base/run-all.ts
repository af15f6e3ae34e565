/** Something long-lived: serves until aborted, drains, resolves. */
export type Task = (signal: AbortSignal) => Promise<void>;

/**
 * Runs tasks side by side until `signal` aborts or one of them ends or fails; then all are aborted and waited for.
 * @throws the error of the first task that failed before it was asked to stop
 */
export async function runAll(tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  let failure: { readonly error: unknown } | undefined;
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task(both);
      } catch (error) {
        if (!both.aborted) failure ??= { error };
      } finally {
        stop.abort(new Error('another part of the process has ended'));
      }
    }),
  );
  if (failure !== undefined) throw failure.error as Error;
}

/**
 * Runs `tasks` on top of `base`, which is asked to stop only when the last of them has ended: what they say while they
 * end still arrives. When `base` ends or fails by itself, so do they.
 * @throws the error of the first that failed before it was asked to stop
 */
export async function runOnTopOf(base: Task, tasks: readonly Task[], signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const running = base(stop.signal);
  const untilBaseEnds: Task = async (over) => {
    const aborted = new Promise<void>((resolve) => {
      if (over.aborted) resolve();
      else over.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([running, aborted]);
  };
  try {
    await runAll([...tasks, untilBaseEnds], signal);
  } finally {
    stop.abort(new Error('what ran on top of it has ended'));
    await running.catch(() => undefined); // before it was asked to stop, its failure went through runAll
  }
}
