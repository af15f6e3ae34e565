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
  const served = new Set(backends.filter((b) => isReady(b.endpoints)).map((b) => b.port));
  const unready = Map.groupBy(
    backends.filter((b) => !isReady(b.endpoints)),
    (b) => `${b.namespace}/${b.service} ${served.has(b.port)}`,
  );
  return [...unready.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const key = `${first.namespace}/${first.service}`;
    const ports = group.map((backend) => backend.port);
    return [{ object: plan.object, ...say.unready('spec.backends', key, ports, served.has(first.port)) }];
  });
}
