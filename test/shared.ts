import { globSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

/**
 * Tests that get along with others in one process. All that is not here has a process for each file: what spawns, what counts
 * the memory or the handles of its process, and what overwrites lent memory in every turn of the event loop.
 */
const SHARED = [
  'floor-plan.test.ts',
  '{base,bench,cli,compile,control,discovery,golden,identity,kubernetes,main,mesh,spec,telemetry}/**/*.test.ts',
  'conformance/{capabilities,cases,faults,html-report,judge,kube,lab,object-steps,report,statistics}.test.ts',
  'local/{api,controllers}/**/*.test.ts',
  'proxy/codec/{byte-queue,chunked,detect,frame-buffer,fuzz,held-bytes,hpack,http1-head-problem,http2-stall,http2-windows,memo,out-buffer,socket-reader,stream-account}.test.ts',
  'proxy/{access-log,compiled-services,config-file,connection-pool,grpc-websocket,http,identity,own-connections,peer-limit,peer-shares,pod-identity,policy,sent-away,tcp,units}.test.ts',
];

export const sharedTests: readonly string[] = globSync(SHARED, { cwd: import.meta.dirname })
  .map((file) => join(import.meta.dirname, file))
  .sort();

// Loading Node's runner, the libraries and the sources anew for each of 114 files costs more than most of the tests.
if (import.meta.main) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  test('shared: every file loads', () => promise); // the others begin after it: loading would stop their clocks
  const broken: unknown[] = [];
  for (const file of sharedTests) await import(file).catch((error: unknown) => broken.push(error));
  if (broken.length === 0) resolve();
  else reject(broken.length === 1 ? broken[0] : new AggregateError(broken, 'some files do not load'));
}
