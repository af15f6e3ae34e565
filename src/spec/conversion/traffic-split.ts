import { isDeepStrictEqual } from 'node:util';
import { has, isObject, type JsonObject, without } from './json-object.ts';
import type { Facts } from './kept.ts';
import { isWholeWeight, wholeWeights } from './quantity.ts';
import type { PlainSteps } from './steps.ts';

/** split v1alpha2 has no `matches`: without them a conditional split would become unconditional. */
export const splitV1alpha2: PlainSteps = {
  up(facts) {
    if (!has(facts.newer, 'matches')) return facts;
    const { matches } = facts.newer;
    const newer = without(facts.newer, 'matches');
    const { spec } = facts.content;
    if (!isObject(spec) || has(spec, 'matches')) return { ...facts, newer };
    return { ...facts, newer, content: { ...facts.content, spec: { ...spec, matches } } };
  },
  down(facts) {
    const { spec } = facts.content;
    if (!isObject(spec) || !has(spec, 'matches')) return facts;
    const newer = { ...facts.newer, matches: spec['matches'] };
    return { ...facts, newer, content: { ...facts.content, spec: without(spec, 'matches') } };
  },
};

/**
 * split v1alpha1 has quantities for weights as well. The hub has whole numbers in the same proportions; what was written
 * is kept, and shown again for as long as it still says the same.
 */
export const splitV1alpha1: PlainSteps = {
  up(facts) {
    const result = splitV1alpha2.up(facts);
    const backends = backendsOf(result);
    const weights = backends?.map((backend) => backend['weight'] ?? null);
    if (backends === undefined || weights === undefined || weights.every(isWholeWeight)) return result;
    const whole = wholeWeights(weights);
    const next = backends.map((backend, i) => ({ ...backend, weight: whole[i] }));
    return { ...withBackends(result, next), older: { ...result.older, weights } };
  },
  down(facts) {
    const result = splitV1alpha2.down(facts);
    const backends = backendsOf(result);
    const { weights } = result.older;
    if (backends === undefined || !Array.isArray(weights)) return result;
    const unchanged = isDeepStrictEqual(
      backends.map((backend) => backend['weight']),
      wholeWeights(weights),
    );
    if (!unchanged) return result;
    const next = backends.map((backend, i) => {
      const written: unknown = weights[i];
      return written === null ? without(backend, 'weight') : { ...backend, weight: written };
    });
    return { ...withBackends(result, next), older: without(result.older, 'weights') };
  },
};

/** Undefined where something else stands in their place. */
function backendsOf({ content: { spec } }: Facts): readonly JsonObject[] | undefined {
  const backends = isObject(spec) ? spec['backends'] : undefined;
  return Array.isArray(backends) && backends.every(isObject) ? backends : undefined;
}

function withBackends(facts: Facts, backends: readonly JsonObject[]): Facts {
  const { spec } = facts.content;
  return isObject(spec) ? { ...facts, content: { ...facts.content, spec: { ...spec, backends } } } : facts;
}
