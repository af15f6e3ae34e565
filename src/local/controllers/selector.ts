import type { LabelSelector } from './objects.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/** Whether every pair of `wanted` is among `labels`. No pair at all matches everything. */
export function hasLabels(labels: Labels, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
}

/** Whether a LabelSelector selects `labels`. An empty selector selects everything, as in Kubernetes. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  if (!hasLabels(labels, selector.matchLabels ?? {})) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels?.[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false; // the API server admits no other; an unknown operator must not select everything
    }
  });
}
