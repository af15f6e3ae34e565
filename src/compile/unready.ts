import type { Diagnostic } from '../base/diagnostic.ts';
import type { Backend } from '../mesh/resources.ts';
import * as say from './traffic-split-findings.ts';
import type { SplitPlan } from './traffic-split.ts';

/** The backends of a split that shall get traffic, once for each port. */
export function backendPorts(plan: SplitPlan): Backend[] {
  return [...plan.ports.values()].flat().filter((backend) => backend.weight > 0);
}

/** What to say about backends whose share goes elsewhere because nobody is ready there (`smi.md` S9). */
export function unreadyBackends(plan: SplitPlan, isReady: (endpoints: string) => boolean): Diagnostic[] {
  const backends = backendPorts(plan);
  const unready = Map.groupBy(
    backends.filter((backend) => !isReady(backend.endpoints)),
    (backend) => `${backend.namespace}/${backend.service}`,
  );
  return [...unready].map(([key, ports]) => {
    const numbers = ports.map((backend) => backend.port);
    const others = numbers.every((port) => backends.some((b) => b.port === port && isReady(b.endpoints)));
    return { object: plan.object, ...say.unready('spec.backends', key, numbers, others) };
  });
}
