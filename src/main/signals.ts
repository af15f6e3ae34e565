/**
 * A signal that aborts on SIGINT or SIGTERM: everything long-lived ends on it. A second one ends the process at once,
 * for people who have waited long enough.
 */
export function untilInterrupted(): AbortSignal {
  const stop = new AbortController();
  const interrupt = (name: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new Error(`stopped by ${name}`));
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return stop.signal;
}

/** Ends the process when its parent closes the other end of standard input: children of a killed parent never stay. */
export function endWithParent(stop: () => void): void {
  process.stdin.on('end', stop);
  process.stdin.on('error', stop);
  process.stdin.resume();
}
