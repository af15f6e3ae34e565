import { isDeepStrictEqual } from 'node:util';
import { has, isObject, type JsonObject, without } from './json-object.ts';
import type { PlainSteps } from './steps.ts';

/** What a TCPRoute of an older version means: any TCP. Written so that the published schema of v1alpha4 takes it. */
const ANY_TCP: JsonObject = { matches: { ports: [] } };

/** specs v1alpha3 and before have no ports: without them a route would stand for every port. */
function portless(shown: JsonObject): PlainSteps {
  return {
    up(facts) {
      const { spec: own = {} } = facts.content;
      // what nobody admits must not come to mean every port
      if (!isObject(own) || Object.keys(own).length > 0) return { ...facts, content: { spec: own } };
      const spec = has(facts.newer, 'spec') ? facts.newer['spec'] : ANY_TCP;
      return { ...facts, newer: without(facts.newer, 'spec'), content: { spec } };
    },
    down(facts) {
      const { spec } = facts.content;
      const newer = isDeepStrictEqual(spec, ANY_TCP) || spec === undefined ? facts.newer : { ...facts.newer, spec };
      return { ...facts, newer, content: shown };
    },
  };
}

export const tcpRouteV1alpha3: PlainSteps = portless({ spec: {} });
/** Metadata only. */
export const tcpRouteV1alpha1: PlainSteps = portless({});
