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

/** Runs controllers until aborted. Changes within a few milliseconds share one run. */
export async function runControllers(
  controllers: readonly Reconciler[],
  { clock, random, log }: Pick<ControllerContext, 'clock' | 'random' | 'log'>,
  signal: AbortSignal,
): Promise<void> {
  const options = { clock, random, log, settleMs: 2 };
  await Promise.all(controllers.map((controller) => runReconciler(controller, options, signal)));
}
