import type { KubeObject } from '../../../conformance/kube.ts';
import { kept, versionOf } from './versions.ts';

const METHODS = ['*', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

type Item = Readonly<Record<string, unknown>>;

/** What the CRDs and webhooks of SMI refuse, as far as the cases ask. */
export function refusal(object: KubeObject): string | undefined {
  const version = versionOf(object);
  const spec = kept(object, undefined) as Record<string, readonly Item[] | undefined>;
  switch (object.kind) {
    case 'TrafficTarget': {
      const missing = ['destination', 'sources', 'rules'].find((field) => spec[field] === undefined);
      if (missing !== undefined) return `spec.${missing}: Required value`;
      const kinds = ['HTTPRouteGroup', 'TCPRoute', ...(version <= 'v1alpha2' ? [] : ['UDPRoute'])];
      const known = spec['rules']?.every((rule) => kinds.includes(String(rule['kind'])));
      return known === true ? undefined : 'spec.rules[0].kind: Unsupported value';
    }
    case 'HTTPRouteGroup':
      for (const { methods, pathRegex } of spec['matches'] ?? []) {
        if (!((methods ?? []) as string[]).every((method) => METHODS.includes(method)))
          return 'spec.matches[0].methods[0]: Unsupported value';
        if (/^\($|\\1|\(\?!/.test(String(pathRegex))) return 'spec.matches[0].pathRegex: Invalid value';
      }
      return undefined;
    case 'TrafficSplit':
      for (const { weight } of ((version === 'v1alpha1' ? spec : object['spec']) as typeof spec)['backends'] ?? [])
        if (!Number.isSafeInteger(weight) || Number(weight) < 0) return 'spec.backends[0].weight: Invalid value';
      return undefined;
    case 'IdentityBinding':
      return bindingRefusal((object['spec'] as { schemes: Item }).schemes);
    default:
      return undefined;
  }
}

function bindingRefusal(schemes: Item): string | undefined {
  const given = Object.entries(schemes).filter(([, value]) => value !== null);
  if (given.length === 0) return 'spec.schemes: at least one scheme is needed';
  const { podLabelSelector: selector, serviceAccount, spiffeIdentities = [] } = Object.fromEntries(given);
  if (selector !== undefined && serviceAccount !== undefined)
    return 'spec.schemes: podLabelSelector and serviceAccount exclude each other';
  if (selector !== undefined && Object.keys((selector as { matchLabels: object }).matchLabels).length === 0)
    return 'spec.schemes.podLabelSelector.matchLabels: at least one label is needed';
  const wrong = (spiffeIdentities as string[]).find((id) => !id.startsWith('spiffe://'));
  return wrong === undefined ? undefined : 'spec.schemes.spiffeIdentities[0]: an id begins with spiffe://';
}
