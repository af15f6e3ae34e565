import type { Condition } from './objects.ts';

/** RFC 3339 with whole seconds, as Kubernetes writes times. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

export function findCondition(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((c) => c.type === type);
}

/** The conditions with `next` in place of the one of its type. An unchanged status keeps its transition time. */
export function withCondition(conditions: readonly Condition[], next: Condition): Condition[] {
  const index = conditions.findIndex((c) => c.type === next.type);
  if (index === -1) return [...conditions, next];
  const previous = conditions[index];
  const same = previous?.status === next.status && previous.lastTransitionTime !== undefined;
  const merged = same ? { ...next, lastTransitionTime: previous.lastTransitionTime } : next;
  return conditions.map((c, i) => (i === index ? (merged as Condition) : c));
}
