import { enableCompileCache } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerSetup } from '../proxy/workers/messages.ts';
import type { WorkerPort } from '../proxy/workers/worker.ts';

/** What the main thread starts a worker with. */
export interface WorkerData {
  readonly setup: WorkerSetup;
  readonly logLevel: string;
  /** Where the main thread keeps compiled code, if it does: a thread does not inherit that. */
  readonly compileCache: string | undefined;
}

// The thread of one worker of `weft proxy --concurrency N`. Ends when it was told to and has drained; what it throws
// reaches the main thread as an event.
const { setup, logLevel, compileCache } = workerData as WorkerData;
if (compileCache !== undefined) enableCompileCache(compileCache);
const [{ systemClock: clock }, { runWorker }, { processLog }] = await Promise.all([
  import('../base/clock.ts'),
  import('../proxy/workers/worker.ts'),
  import('./process-log.ts'),
]);
await runWorker(parentPort as WorkerPort, setup, { clock, random: Math.random, log: processLog(logLevel, 'proxy') });
process.exit(); // ends this thread, whatever may still keep its loop alive
