/** Values under a key of their own; in each group in the order of their ids, so that no other order ever shows. */
export function groupBy<T>(values: ReadonlyMap<string, T>, keyOf: (value: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const id of [...values.keys()].sort()) {
    const value = values.get(id) as T;
    const key = keyOf(value);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
