import { has, isObject, type JsonObject, without } from './json-object.ts';
import type { PlainSteps } from './steps.ts';

/**
 * access v1alpha2 has ports, which v1alpha3 took away: dropping them would open every port. They are kept beside the
 * object, and enforced (`smi.md` 1.6). A `port` that somebody writes into a newer version has no effect there, so it must
 * not come to have one here.
 */
export const targetV1alpha2: PlainSteps = {
  up(facts) {
    const { spec } = facts.content;
    if (!isObject(spec)) return facts;
    const { destination, sources } = spec;
    let { older } = facts;
    if (isObject(destination) && has(destination, 'port')) older = { ...older, destinationPort: destination['port'] };
    const ports = isSubjects(sources) ? sources.map((source) => source['port'] ?? null) : [];
    if (ports.some((port) => port !== null)) older = { ...older, sourcePorts: ports };
    return { ...facts, older, content: { ...facts.content, spec: withoutPorts(spec) } };
  },
  down(facts) {
    const { spec } = facts.content;
    if (!isObject(spec)) return facts;
    let shown = withoutPorts(spec);
    let { older } = facts;
    const { destination, sources } = shown;
    if (has(older, 'destinationPort') && isObject(destination)) {
      shown = { ...shown, destination: { ...destination, port: older['destinationPort'] } };
      older = without(older, 'destinationPort');
    }
    const { sourcePorts } = older;
    // ports belong to sources by position, so after one was added or taken away nobody knows whose they are
    if (Array.isArray(sourcePorts) && isSubjects(sources) && sources.length === sourcePorts.length) {
      const ports: readonly unknown[] = sourcePorts;
      const next = sources.map((source, i) => (ports[i] === null ? source : { ...source, port: ports[i] }));
      shown = { ...shown, sources: next };
      older = without(older, 'sourcePorts');
    }
    return { ...facts, older, content: { ...facts.content, spec: shown } };
  },
};

/** access v1alpha1 has the fields at the root, and calls the rules `specs`. */
export const targetV1alpha1: PlainSteps = {
  up: (facts) => targetV1alpha2.up({ ...facts, content: wrapped(facts.content) }),
  down(facts) {
    const result = targetV1alpha2.down(facts);
    return { ...result, content: unwrapped(result.content) };
  },
};

const NAMES = [
  ['destination', 'destination'],
  ['sources', 'sources'],
  ['specs', 'rules'],
] as const;

function wrapped(content: JsonObject): JsonObject {
  const moved = NAMES.filter(([here]) => has(content, here)).map(([here, there]) => [there, content[here]]);
  return moved.length === 0 ? {} : { spec: Object.fromEntries(moved) as JsonObject };
}

function unwrapped({ spec }: JsonObject): JsonObject {
  if (!isObject(spec)) return {};
  return Object.fromEntries(
    NAMES.filter(([, there]) => has(spec, there)).map(([here, there]) => [here, spec[there]]),
  ) as JsonObject;
}

function withoutPorts(spec: JsonObject): JsonObject {
  const { destination, sources } = spec;
  return {
    ...spec,
    ...(isObject(destination) ? { destination: without(destination, 'port') } : {}),
    ...(isSubjects(sources) ? { sources: sources.map((source) => without(source, 'port')) } : {}),
  };
}

function isSubjects(value: unknown): value is readonly JsonObject[] {
  return Array.isArray(value) && value.every(isObject);
}
