import type { AccessRule, InboundResource, Resource, ServiceResource } from '../mesh/resources.ts';

/**
 * What a proxy may or may not be able to do, beyond what the first version of Weft could. An addition to the resources
 * that an older proxy does not know gets a name here, and `fit` says what such a proxy gets instead.
 */
export const FEATURES = [
  /** Inbound: rules that look at method, path and headers. Security. */
  'access-http',
  /** Inbound: mode `audit`. Security: an older proxy would not know whether to let in. */
  'access-audit',
  /** Inbound: rules for single pods. Security. */
  'access-pods',
  /** Routes that look at the request (TrafficSplit `matches`). */
  'route-matches',
  /** Pods that are called by their own address. Without it such calls go in plain, and the far side judges them so. */
  'pods',
] as const;

export type Feature = (typeof FEATURES)[number];

/** A resource as a proxy with some features may have it, and what that costs. */
export interface Fitted {
  /** Undefined: it gets nothing of it. */
  readonly resource: Resource | undefined;
  /** One sentence per thing that was left out; empty when the resource is sent as it is. */
  readonly losses: readonly string[];
}

/** Fits resources to a set of features. Remembers, so that equal resources stay identical. */
export function fitter(features: ReadonlySet<string>): (resource: Resource) => Fitted {
  const known = new WeakMap<Resource, Fitted>();
  if (FEATURES.every((f) => features.has(f))) return (resource) => ({ resource, losses: [] });
  return (resource) => {
    let fitted = known.get(resource);
    if (fitted === undefined) known.set(resource, (fitted = fit(resource, features)));
    return fitted;
  };
}

function fit(resource: Resource, features: ReadonlySet<string>): Fitted {
  switch (resource.type) {
    case 'inbound':
      return fitInbound(resource, features);
    case 'service':
      return features.has('route-matches') ? { resource, losses: [] } : fitService(resource);
    case 'pod':
      return { resource: features.has('pods') ? resource : undefined, losses: [] };
    case 'workload':
    case 'endpoints':
      return { resource, losses: [] };
  }
}

const RESTART = 'restart the pod to get a newer proxy';

/** A grant that the proxy cannot judge is not given; a mode that it does not know becomes deny. */
function fitInbound(resource: InboundResource, features: ReadonlySet<string>): Fitted {
  const losses: string[] = [];
  let { mode, rules } = resource;
  if (mode === 'audit' && !features.has('access-audit')) {
    mode = 'deny';
    losses.push(`the proxy does not know mode audit and denies instead; ${RESTART}`);
  }
  if (!features.has('access-http')) {
    const unknown = rules.filter((rule: AccessRule) => rule.http !== undefined);
    rules = rules.filter((rule: AccessRule) => rule.http === undefined);
    for (const { name } of unknown) {
      losses.push(`the proxy does not know HTTP rules: what ${name} grants is denied; ${RESTART}`);
    }
  }
  if (!features.has('access-pods')) {
    for (const { name } of rules.filter((rule) => rule.pods !== undefined)) {
      losses.push(`the proxy does not know rules for single pods: what ${name} grants to these is denied; ${RESTART}`);
    }
    rules = rules.map(({ pods: _, ...rule }) => rule);
  }
  return losses.length === 0 ? { resource, losses } : { resource: { ...resource, mode, rules }, losses };
}

function fitService(resource: ServiceResource): Fitted {
  const losses: string[] = [];
  const ports = resource.ports.map((port) => {
    const routes = port.routes.filter((route) => route.matches === undefined);
    if (routes.length === port.routes.length) return port;
    losses.push(`the proxy does not know routes with matches: ${resource.key} port ${port.number} goes without`);
    return { ...port, routes };
  });
  return losses.length === 0 ? { resource, losses } : { resource: { ...resource, ports }, losses };
}
