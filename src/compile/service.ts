import type { Diagnostic } from '../base/diagnostic.ts';
import { serviceKey, type Route, type ServicePort, type ServiceResource } from '../mesh/resources.ts';
import type { Service } from '../spec/kubernetes.ts';
import { servicePortProtocol } from './port-protocol.ts';
import type { RootPlan } from './root-plan.ts';
import { hostnames } from './service-name.ts';
import * as say from './traffic-split-findings.ts';
import { backendOf } from './traffic-split.ts';

export interface CompiledService {
  /** As proxies of other namespaces see it. */
  readonly shared: ServiceResource;
  /** As proxies of its own namespace see it: with the short host name. */
  readonly local: ServiceResource;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * A Service with its routes, for each of its TCP ports.
 * @param isOpaque by port: an annotation, or a pod behind it, says that its bytes are never looked at
 */
export function compileService(
  service: Service,
  plan: RootPlan | undefined,
  isOpaque: (port: number) => boolean,
  clusterDomain: string,
): CompiledService {
  const { namespace, name } = service.metadata;
  const ports = service.spec.ports
    .filter((port) => port.protocol === 'TCP')
    .map((port): ServicePort => {
      const protocol = servicePortProtocol(port, isOpaque(port.port));
      return { number: port.port, protocol, routes: routesOf(service, port.port, plan) };
    })
    .sort((a, b) => a.number - b.number);
  const shared: ServiceResource = {
    type: 'service',
    key: serviceKey(namespace, name),
    namespace,
    name,
    addresses: service.spec.clusterIPs,
    hostnames: hostnames(namespace, name, clusterDomain, false),
    ports,
  };
  const local = { ...shared, hostnames: hostnames(namespace, name, clusterDomain, true) };
  return { shared, local, diagnostics: opaqueFindings(`${namespace}/${name}`, ports, plan) };
}

/** Splits with matches, then the split without, else the Service itself: unmatched requests are its own (`smi.md` S6). */
function routesOf(service: Service, port: number, plan: RootPlan | undefined): Route[] {
  const { namespace, name } = service.metadata;
  const conditional = (plan?.conditional ?? []).map((split): Route => ({
    name: split.name,
    matches: split.matches ?? [],
    tcp: false, // S15
    backends: split.ports.get(port) ?? [],
    policies: [],
  }));
  const all = plan?.unconditional;
  const last: Route = {
    name: all?.name ?? `Service ${namespace}/${name}`,
    tcp: true,
    backends: all === undefined ? [backendOf(service, port, 1)] : (all.ports.get(port) ?? []),
    policies: [],
  };
  return [...conditional, last];
}

function opaqueFindings(root: string, ports: readonly ServicePort[], plan: RootPlan | undefined): Diagnostic[] {
  const opaque = ports.filter((port) => port.protocol === 'tcp').map((port) => port.number);
  if (opaque.length === 0) return [];
  return (plan?.conditional ?? []).map(({ object }) => ({ object, ...say.opaqueConditional(root, opaque) }));
}
