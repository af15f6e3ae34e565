import { runReconciler, type Reconciler } from '../../base/reconcile.ts';
import { deploymentController } from './deployment.ts';
import { endpointsController } from './endpoints.ts';
import { garbageCollector } from './garbage-collection.ts';
import { jobController } from './job.ts';
import {
  namespaceDefaultsController,
  namespaceDeletionController,
  type NamespaceDefaultsOptions,
} from './namespaces.ts';
import { replicaSetController } from './replica-set.ts';
import type { ControllerContext } from './work.ts';

/** The controllers that everyone takes for granted in a cluster. */
export function createControllers(options: NamespaceDefaultsOptions): Reconciler[] {
  return [
    namespaceDefaultsController(options),
    namespaceDeletionController(options),
    garbageCollector(options),
    deploymentController(options),
    replicaSetController(options),
    jobController(options),
    endpointsController(options),
  ];
}

/** Changes within a few milliseconds share one run. */
const SETTLE_MS = 2;
/** The collector looks at everything there is after each change of anything, and nobody waits for it. */
const COLLECTOR_SETTLE_MS = 100;

/** Runs controllers until aborted. */
export async function runControllers(
  controllers: readonly Reconciler[],
  { clock, random, log }: Pick<ControllerContext, 'clock' | 'random' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const options = { clock, random, log };
  await Promise.all(
    controllers.map((controller) => {
      const settleMs = controller.name === 'garbage-collector' ? COLLECTOR_SETTLE_MS : SETTLE_MS;
      return runReconciler(controller, { ...options, settleMs }, signal);
    }),
  );
}
