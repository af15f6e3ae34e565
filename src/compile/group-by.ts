/** Values under a key of their own; in each group in the order of their ids, so that no other order ever shows. */
export function groupBy<T>(values: ReadonlyMap<string, T>, keyOf: (value: T) => string | undefined): Map<string, T[]> {
  return groupByEach(values, (value) => {
    const key = keyOf(value);
    return key === undefined ? [] : [key];
  });
}

/** As `groupBy`, each value under any number of keys. */
export function groupByEach<T>(
  values: ReadonlyMap<string, T>,
  keysOf: (value: T) => readonly string[],
): Map<string, T[]> {
  const groups = new Map<string, { readonly id: string; readonly value: T }[]>();
  for (const [id, value] of values) {
    for (const key of keysOf(value)) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [{ id, value }]);
      else group.push({ id, value });
    }
  }
  const sorted = new Map<string, T[]>();
  for (const [key, group] of groups) {
    if (group.length > 1) group.sort((a, b) => (a.id < b.id ? -1 : 1));
    sorted.set(
      key,
      group.map(({ value }) => value),
    );
  }
  return sorted;
}
