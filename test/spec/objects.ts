/** Well-formed SMI objects of the newest versions, as a client would send them; a spec of null is left out. */
export function trafficTarget(spec: unknown = targetSpec()) {
  return object('access.smi-spec.io/v1alpha4', 'TrafficTarget', 'web', spec);
}

export function targetSpec() {
  return {
    destination: { kind: 'ServiceAccount', name: 'web' },
    sources: [{ kind: 'ServiceAccount', name: 'shop', namespace: 'front' }],
    rules: [{ kind: 'HTTPRouteGroup', name: 'web', matches: ['get'] }],
  };
}

export function identityBinding(schemes: unknown) {
  return object('access.smi-spec.io/v1alpha4', 'IdentityBinding', 'web', { schemes });
}

export function routeGroup(...matches: unknown[]) {
  return object('specs.smi-spec.io/v1alpha4', 'HTTPRouteGroup', 'web', { matches });
}

export function portRoute(kind: 'TCPRoute' | 'UDPRoute', spec: unknown) {
  return object('specs.smi-spec.io/v1alpha4', kind, 'ports', spec);
}

export function trafficSplit(spec: unknown) {
  return object('split.smi-spec.io/v1alpha4', 'TrafficSplit', 'web', spec);
}

export function split(...weights: unknown[]) {
  return trafficSplit({
    service: 'web',
    backends: weights.map((weight, i) => ({ service: `web-v${i + 1}`, weight })),
  });
}

function object(apiVersion: string, kind: string, name: string, spec: unknown): Record<string, unknown> {
  return { apiVersion, kind, metadata: { name, namespace: 'shop' }, ...(spec === null ? {} : { spec }) };
}
