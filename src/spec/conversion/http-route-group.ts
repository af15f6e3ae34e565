import { has, isObject, type JsonObject, without } from './json-object.ts';
import type { PlainSteps } from './steps.ts';

/** specs v1alpha2 has the entries at the root. */
export const groupV1alpha2: PlainSteps = {
  up: (facts) => ({
    ...facts,
    content: has(facts.content, 'matches') ? { spec: { matches: facts.content['matches'] } } : {},
  }),
  down(facts) {
    const { spec } = facts.content;
    const content: JsonObject = isObject(spec) && has(spec, 'matches') ? { matches: spec['matches'] } : {};
    return { ...facts, content };
  },
};

/**
 * specs v1alpha1 knows no headers: an entry without them would match more. They stay with their entry: with the one of
 * the same name, or else, since an entry may have been renamed, with the one in the same place.
 */
export const groupV1alpha1: PlainSteps = {
  up(facts) {
    const { matches } = facts.content;
    const { headers } = facts.newer;
    if (!Array.isArray(headers)) return groupV1alpha2.up(facts);
    const newer = without(facts.newer, 'headers');
    if (!isEntries(matches)) return groupV1alpha2.up({ ...facts, newer });
    return groupV1alpha2.up({ ...facts, newer, content: { ...facts.content, matches: withHeaders(matches, headers) } });
  },
  down(facts) {
    const result = groupV1alpha2.down(facts);
    const { matches } = result.content;
    if (!isEntries(matches) || !matches.some((entry) => has(entry, 'headers'))) return result;
    const headers = matches.map((entry): Kept | null =>
      has(entry, 'headers') ? { name: entry['name'] ?? null, headers: entry['headers'] } : null,
    );
    const shown = matches.map((entry) => without(entry, 'headers'));
    return { ...result, newer: { ...result.newer, headers }, content: { ...result.content, matches: shown } };
  },
};

interface Kept {
  readonly name: unknown;
  readonly headers: unknown;
}

function withHeaders(entries: readonly JsonObject[], kept: readonly unknown[]): JsonObject[] {
  const given = new Map<number, unknown>();
  const free = (i: number) => i >= 0 && i < entries.length && !given.has(i);
  const named = (i: number, name: unknown) => free(i) && (entries[i]?.['name'] ?? null) === name;
  const rounds: ((name: unknown, i: number) => number)[] = [
    (name, i) => (named(i, name) ? i : -1),
    (name) => entries.findIndex((_, i) => named(i, name)),
    (_, i) => (free(i) ? i : -1),
  ];
  let open = kept.map((item, i) => ({ item, i })).filter((k): k is { item: JsonObject; i: number } => isObject(k.item));
  for (const round of rounds) {
    open = open.filter(({ item, i }) => {
      const at = round(item['name'] ?? null, i);
      if (at >= 0) given.set(at, item['headers']);
      return at < 0;
    });
  }
  return entries.map((entry, i) =>
    given.has(i) && !has(entry, 'headers') ? { ...entry, headers: given.get(i) } : entry,
  );
}

function isEntries(value: unknown): value is readonly JsonObject[] {
  return Array.isArray(value) && value.every(isObject);
}
