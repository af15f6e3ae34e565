import type { Diagnostic } from '../base/diagnostic.ts';
import * as say from './traffic-split-findings.ts';
import type { SplitPlan } from './traffic-split.ts';

/** The splits of one root Service that have an effect, in the order in which requests meet them (`smi.md` S5). */
export interface RootPlan {
  /** Splits with matches, oldest first. */
  readonly conditional: readonly SplitPlan[];
  /** The oldest of those that take every request. */
  readonly unconditional: SplitPlan | undefined;
  /** About the younger ones of these. */
  readonly diagnostics: readonly Diagnostic[];
}

export function rootPlan(root: string, plans: readonly SplitPlan[]): RootPlan {
  const inOrder = [...plans].sort(byAge);
  const [unconditional, ...losers] = inOrder.filter((plan) => plan.matches === undefined);
  return {
    conditional: inOrder.filter((plan) => plan.matches !== undefined && plan.matches.length > 0),
    unconditional,
    diagnostics: losers.map(({ object }) => ({ object, ...say.olderRules(unconditional?.name ?? '', root) })),
  };
}

/** Oldest first, then by name, which is unique because all are of one namespace. */
function byAge(a: SplitPlan, b: SplitPlan): number {
  return a.created - b.created || (a.name < b.name ? -1 : 1);
}
