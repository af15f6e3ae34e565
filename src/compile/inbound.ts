import { ADMIN_PORT, INBOUND_PORT, OUTBOUND_PORT, TUNNEL_PORT } from '../mesh/ports.ts';
import type {
  AccessRule,
  InboundPort,
  InboundProbe,
  InboundResource,
  PolicyMode,
  PortProtocol,
} from '../mesh/resources.ts';
import type { Pod, Service } from '../spec/kubernetes.ts';
import { opaquePorts } from './namespace.ts';
import type { PodFacts } from './pod.ts';
import { isOpaqueByDefault, servicePortProtocol } from './port-protocol.ts';
import { isPort } from './tcp-route.ts';
import type { Grant } from './traffic-target.ts';

export interface InboundInputs {
  readonly pod: Pod;
  readonly facts: PodFacts;
  readonly mode: PolicyMode;
  /** The Services that select the pod. */
  readonly services: readonly Service[];
  /** What TrafficTargets grant to the pod's ServiceAccount, by name. */
  readonly grants: readonly Grant[];
}

/** What may enter one pod. */
export function compileInbound({ pod, facts, mode, services, grants }: InboundInputs): InboundResource {
  return {
    type: 'inbound',
    key: 'inbound',
    mode,
    ports: inboundPorts(pod, facts, services),
    rules: grants.flatMap((grant) => ruleFor(grant, pod, services)),
    probes: probesOf(pod),
  };
}

function ruleFor(grant: Grant, pod: Pod, services: readonly Service[]): AccessRule[] {
  const { name, principals, pods, ports: servicePorts, http } = grant;
  const ports =
    servicePorts && sorted(servicePorts.flatMap((port) => containerPorts(port, pod, services)).filter(isAppPort));
  if (ports?.length === 0) return [];
  return [{ name, principals, ...(pods.length > 0 && { pods }), ...(ports && { ports }), ...(http && { http }) }];
}

/**
 * The container ports that a TCPRoute's port means at a pod: those behind that port of the Services that select it;
 * only when none of them has that port, the number itself. Never both readings, which would widen (`smi.md` A9).
 * Clients of headless Services dial the pod's own port, so these do not map.
 */
function containerPorts(port: number, pod: Pod, services: readonly Service[]): number[] {
  const exposing = services
    .filter((service) => !service.spec.headless && service.spec.type !== 'ExternalName')
    .flatMap((service) => service.spec.ports.filter((p) => p.protocol === 'TCP' && p.port === port));
  if (exposing.length === 0) return [port];
  return exposing.flatMap((p) => targetOf(p.targetPort, pod) ?? []);
}

function targetOf(target: number | string, pod: Pod): number | undefined {
  if (typeof target === 'number') return target;
  for (const container of pod.spec.containers) {
    const port = container.ports.find((p) => p.name === target && p.protocol === 'TCP');
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}

function inboundPorts(pod: Pod, facts: PodFacts, services: readonly Service[]): InboundPort[] {
  const stated = new Map<number, Set<PortProtocol>>();
  const note = (port: number, protocol: PortProtocol | undefined) => {
    if (!isAppPort(port)) return;
    const said = stated.get(port) ?? new Set();
    if (protocol !== undefined) said.add(protocol);
    stated.set(port, said);
  };
  for (const { ports } of pod.spec.containers) {
    for (const port of ports) if (port.protocol === 'TCP') note(port.containerPort, undefined);
  }
  for (const service of services) {
    const opaque = [...facts.opaquePorts, ...opaquePorts(service).ports];
    for (const port of service.spec.ports) {
      const target = port.protocol === 'TCP' ? targetOf(port.targetPort, pod) : undefined;
      if (target === undefined) continue;
      const protocol = servicePortProtocol(port, opaque.includes(port.port) || facts.opaquePorts.includes(target));
      note(target, protocol === 'detect' ? undefined : protocol);
    }
  }
  return [...stated]
    .sort(([a], [b]) => a - b)
    .map(([number, said]) => ({ number, protocol: agreed(said) ?? fallback(number, facts) }));
}

/** What all Services say; when they disagree the first bytes have to tell. */
function agreed(said: ReadonlySet<PortProtocol>): PortProtocol | undefined {
  const [only] = said;
  return said.size > 1 ? 'detect' : only;
}

function fallback(port: number, facts: PodFacts): PortProtocol {
  return isOpaqueByDefault(port) || facts.opaquePorts.includes(port) ? 'tcp' : 'detect';
}

function probesOf(pod: Pod): InboundProbe[] {
  const probes = new Map<string, InboundProbe>();
  for (const probe of pod.spec.containers.flatMap((container) => container.probes)) {
    if (!isAppPort(probe.port)) continue; // the sidecar's own, which no policy stands before
    const path = probe.type === 'http' ? probe.path : '';
    probes.set(`${String(probe.port).padStart(5, '0')} ${probe.type} ${path}`, probe);
  }
  return [...probes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, probe]) => probe);
}

const SIDECAR_PORTS: readonly number[] = [OUTBOUND_PORT, INBOUND_PORT, TUNNEL_PORT, ADMIN_PORT];

function isAppPort(port: number): boolean {
  return isPort(port) && !SIDECAR_PORTS.includes(port);
}

function sorted(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b);
}
