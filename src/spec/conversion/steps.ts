import type { JsonObject } from './json-object.ts';
import { type Facts, factsOf, sameFacts, withFacts } from './kept.ts';

/**
 * How objects of one older version become objects of the hub version, and back. Both say as much as the fields of the
 * other version can, and move what it has no field for into `older` or `newer`. They are total: whatever stands where a
 * field belongs, they neither throw nor look at anything else. What they cannot bring back exactly is remembered for them
 * (`versionSteps`), so they need not know every oddity that a schema admits.
 */
export interface PlainSteps {
  up(facts: Facts): Facts;
  down(facts: Facts): Facts;
}

export interface VersionSteps {
  toHub(raw: JsonObject): JsonObject;
  fromHub(raw: JsonObject): JsonObject;
}

/** Key under which a conversion remembers the whole of what it was given. */
const WHOLE = 'whole';

/**
 * Lossless conversion between one version and the hub: `fromHub(toHub(a))` is `a`, and `toHub(fromHub(h))` is `h`,
 * whatever a and h are. Where the plain steps alone do not come back to where they began, the original is remembered in
 * the annotation, and believed for as long as the plain step still leads from it to what is there: after an edit the
 * edit counts, and what `plain` keeps by itself.
 */
export function versionSteps(version: string, apiVersion: string, hub: string, plain: PlainSteps): VersionSteps {
  return {
    toHub: (raw) => withFacts(raw, hub, up(factsOf(raw))),
    fromHub: (raw) => withFacts(raw, apiVersion, down(factsOf(raw))),
  };

  function up(facts: Facts): Facts {
    const [memory, seen] = recall(facts, 'newer', WHOLE);
    if (memory !== undefined && sameFacts(downPlain(memory), seen)) return memory;
    const result = plain.up(seen);
    if (sameFacts(downPlain(result), seen)) return result;
    return remember(result, 'older', version, seen);
  }

  function down(facts: Facts): Facts {
    const [memory, seen] = recall(facts, 'older', version);
    if (memory !== undefined && sameFacts(plain.up(memory), seen)) return memory;
    const result = downPlain(facts);
    if (sameFacts(plain.up(result), facts)) return result;
    return remember(result, 'newer', WHOLE, facts);
  }

  /** To a hub object the annotation of older views (from a view that was copied, say) means nothing. */
  function downPlain(facts: Facts): Facts {
    return plain.down({ ...facts, newer: {} });
  }
}

/** The remembered facts under `key`, and the facts without them. */
function recall(facts: Facts, side: 'older' | 'newer', key: string): [memory: Facts | undefined, rest: Facts] {
  const { [key]: memory, ...rest } = facts[side];
  return isFacts(memory) ? [memory, { ...facts, [side]: rest }] : [undefined, facts];
}

function remember(facts: Facts, side: 'older' | 'newer', key: string, memory: Facts): Facts {
  return { ...facts, [side]: { ...facts[side], [key]: memory } };
}

function isFacts(value: unknown): value is Facts {
  return ['content', 'older', 'newer'].every((part) => {
    const found = (value as Record<string, unknown> | null | undefined)?.[part];
    return typeof found === 'object' && found !== null && !Array.isArray(found);
  });
}
