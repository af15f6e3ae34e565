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
