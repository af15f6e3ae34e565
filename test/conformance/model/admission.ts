import type { KubeObject } from '../../../conformance/kube.ts';

const METHODS = ['*', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];
const RULES = ['HTTPRouteGroup', 'TCPRoute', 'UDPRoute'];

/** What the CRDs of SMI refuse, as far as the cases ask. */
export function refusal({ kind, ...object }: KubeObject): string | undefined {
  const spec = (object['spec'] ?? {}) as Record<string, readonly Record<string, unknown>[] | undefined>;
  if (kind === 'TrafficTarget') {
    const missing = ['destination', 'sources', 'rules'].find((field) => spec[field] === undefined);
    if (missing !== undefined) return `spec.${missing}: Required value`;
    if (!spec['rules']?.every((rule) => RULES.includes(String(rule['kind']))))
      return 'spec.rules[0].kind: Unsupported value';
  }
  if (kind === 'HTTPRouteGroup')
    for (const { methods } of spec['matches'] ?? [])
      if (!((methods ?? []) as string[]).every((method) => METHODS.includes(method)))
        return 'spec.matches[0].methods[0]: Unsupported value';
  if (kind === 'TrafficSplit')
    for (const { weight } of spec['backends'] ?? [])
      if (!Number.isSafeInteger(weight) || Number(weight) < 0) return 'spec.backends[0].weight: Invalid value';
  return undefined;
}
