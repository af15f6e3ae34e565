import { type Json, present } from './json.ts';
import type {
  Container,
  ContainerPort,
  EndpointSlice,
  Pod,
  Probe,
  Service,
  ServicePort,
  SliceEndpoint,
} from './kubernetes.ts';
import type { ObjectMeta } from './meta.ts';
import { SERVICE_NAME } from './names.ts';

// Readers of the few Kubernetes kinds, cut down to what the meaning of SMI needs. Kubernetes' own defaults are filled in.

export function readServiceSpec(spec: Json): Service['spec'] {
  const ips = spec.at('clusterIPs').strings() ?? [spec.at('clusterIP').optionalString() ?? ''];
  const selector = spec.at('selector').stringMap();
  return present({
    type: spec.at('type').optionalString() ?? 'ClusterIP',
    clusterIPs: ips.filter((ip) => ip !== '' && ip !== 'None'),
    headless: ips.includes('None'),
    selector: selector.size === 0 ? undefined : selector,
    ports: (spec.at('ports').items() ?? []).map(readServicePort),
  });
}

function readServicePort(at: Json): ServicePort {
  const port = at.at('port').number();
  return present({
    name: at.at('name').optionalString() ?? '',
    protocol: readProtocol(at.at('protocol')),
    port,
    targetPort: readPortOrName(at.at('targetPort')) ?? port,
    appProtocol: at.at('appProtocol').optionalString(),
  });
}

function readProtocol(at: Json): 'TCP' | 'UDP' | 'SCTP' {
  const protocol = at.optionalString() ?? 'TCP';
  if (protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP') return protocol;
  at.complain('must be TCP, UDP or SCTP');
  return 'TCP';
}

/** The Kubernetes IntOrString; 0 and the empty text count as absent, as in Kubernetes' defaulting. */
function readPortOrName(at: Json): number | string | undefined {
  if (typeof at.value === 'string') return at.value === '' ? undefined : at.value;
  const port = at.optionalNumber();
  return port === 0 ? undefined : port;
}

export function readEndpointSlice(root: Json, meta: ObjectMeta): Omit<EndpointSlice, 'apiVersion' | 'kind'> {
  return {
    metadata: meta,
    service: meta.labels.get(SERVICE_NAME) ?? '',
    addressType: root.at('addressType').optionalString() ?? 'IPv4',
    ports: (root.at('ports').items() ?? [])
      .filter((port) => !port.at('port').absent) // "all ports": only hand-made slices say that
      .map((port) => ({
        name: port.at('name').optionalString() ?? '',
        protocol: port.at('protocol').optionalString() ?? 'TCP',
        port: port.at('port').number(),
      })),
    endpoints: (root.at('endpoints').items() ?? []).map(readEndpoint),
  };
}

function readEndpoint(endpoint: Json): SliceEndpoint {
  const conditions = endpoint.at('conditions');
  const target = endpoint.at('targetRef');
  return present({
    addresses: endpoint.at('addresses').strings() ?? [],
    ready: conditions.at('ready').optionalBoolean() ?? true, // Kubernetes: unknown counts as ready
    terminating: conditions.at('terminating').optionalBoolean() ?? false,
    pod: target.at('kind').optionalString() === 'Pod' ? target.at('name').optionalString() : undefined,
  });
}

export function readPodSpec(spec: Json): Pod['spec'] {
  // An init container that restarts is a sidecar: its ports and probes count (Kubernetes 1.29).
  const sidecars = (spec.at('initContainers').items() ?? []).filter(
    (container) => container.at('restartPolicy').optionalString() === 'Always',
  );
  return {
    serviceAccountName: spec.at('serviceAccountName').optionalString() || 'default',
    hostNetwork: spec.at('hostNetwork').optionalBoolean() ?? false,
    nodeName: spec.at('nodeName').optionalString() ?? '',
    containers: [...(spec.at('containers').items() ?? []), ...sidecars].map(readContainer),
  };
}

export function readPodStatus(status: Json): Pod['status'] {
  const many = (status.at('podIPs').items() ?? []).map((ip) => ip.at('ip').optionalString() ?? '');
  const one = status.at('podIP').optionalString() ?? '';
  const conditions = status.at('conditions').items() ?? [];
  return {
    phase: status.at('phase').optionalString() ?? '',
    podIPs: (many.length > 0 ? many : [one]).filter((ip) => ip !== ''),
    ready: conditions.some((c) => c.at('type').value === 'Ready' && c.at('status').value === 'True'),
  };
}

function readContainer(container: Json): Container {
  const ports = (container.at('ports').items() ?? []).map(readContainerPort);
  const probes = ['startupProbe', 'readinessProbe', 'livenessProbe'].flatMap(
    (name) => readProbe(container.at(name), ports) ?? [],
  );
  const distinct = new Map(probes.map((probe) => [JSON.stringify(probe), probe]));
  return { name: container.at('name').optionalString() ?? '', ports, probes: [...distinct.values()] };
}

function readContainerPort(port: Json): ContainerPort {
  return {
    name: port.at('name').optionalString() ?? '',
    containerPort: port.at('containerPort').number(),
    protocol: readProtocol(port.at('protocol')),
  };
}

/** The probe as the kubelet makes it; undefined for a command, for another host, and for a port name that nobody has. */
function readProbe(probe: Json, ports: readonly ContainerPort[]): Probe | undefined {
  const http = probe.at('httpGet');
  const tcp = probe.at('tcpSocket');
  const grpc = probe.at('grpc');
  if (!http.absent && !http.at('host').optionalString()) {
    const port = resolvePort(http.at('port'), ports);
    return port === undefined ? undefined : { type: 'http', port, path: http.at('path').optionalString() || '/' };
  }
  if (!tcp.absent && !tcp.at('host').optionalString()) {
    const port = resolvePort(tcp.at('port'), ports);
    return port === undefined ? undefined : { type: 'tcp', port };
  }
  return grpc.absent ? undefined : { type: 'grpc', port: grpc.at('port').number() };
}

function resolvePort(at: Json, ports: readonly ContainerPort[]): number | undefined {
  const port = readPortOrName(at);
  return typeof port === 'string' ? ports.find((p) => p.name === port)?.containerPort : port;
}
