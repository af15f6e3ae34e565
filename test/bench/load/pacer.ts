import { parentPort, workerData } from 'node:worker_threads';
import { nowMs } from './clock.ts';

// A thread that posts a message whenever the next request is due: the time of the first one. An event loop's own timers have whole milliseconds;
// a waiting thread is woken within a tenth of one and burns nothing while it waits.
const { intervalMs, count } = workerData as { intervalMs: number; count: number };
const startMs = nowMs() + 20;
const never = new Int32Array(new SharedArrayBuffer(4));
for (let i = 0; i < count; i++) {
  const waitMs = startMs + i * intervalMs - nowMs();
  if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
  parentPort?.postMessage(startMs);
}
