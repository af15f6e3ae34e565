import { DEFAULT_OPAQUE_PORTS } from '../mesh/ports.ts';
import type { PortProtocol } from '../mesh/resources.ts';
import type { ServicePort } from '../spec/kubernetes.ts';

/** What an `appProtocol` says. Others are left to detection. */
const APP_PROTOCOLS: Readonly<Record<string, PortProtocol>> = {
  http: 'http1',
  'kubernetes.io/ws': 'http1',
  h2c: 'http2',
  http2: 'http2',
  'kubernetes.io/h2c': 'http2',
  grpc: 'http2',
  tcp: 'tcp',
  tls: 'tcp',
  https: 'tcp',
  'kubernetes.io/wss': 'tcp',
  mysql: 'tcp',
  postgresql: 'tcp',
  redis: 'tcp',
  mongo: 'tcp',
  amqp: 'tcp',
  smtp: 'tcp',
};

/**
 * What the first word of a port's name says where there is no appProtocol: a hint that many charts give. `http` is no
 * hint, because charts give gRPC ports that name too, and detection tells the two apart without waiting.
 */
const NAME_HINTS: Readonly<Record<string, PortProtocol>> = {
  grpc: 'http2',
  h2c: 'http2',
  http2: 'http2',
  tcp: 'tcp',
  tls: 'tcp',
  https: 'tcp',
};

/**
 * How the bytes of a Service's port are read: an appProtocol decides, then opaque ports (annotations and the default
 * list, by the Service's port or its numeric target), then the port's name, else the first bytes tell.
 * @param opaque whether an annotation or a pod behind the port says that it is opaque
 */
export function servicePortProtocol(port: ServicePort, opaque: boolean): PortProtocol {
  const stated = statedProtocol(port);
  if (stated !== undefined) return stated;
  if (opaque || isOpaqueByDefault(port.port)) return 'tcp';
  if (typeof port.targetPort === 'number' && isOpaqueByDefault(port.targetPort)) return 'tcp';
  return nameHint(port.name) ?? 'detect';
}

/** The protocol that an appProtocol states, if it is one that we know. */
function statedProtocol(port: ServicePort): PortProtocol | undefined {
  if (port.appProtocol === undefined) return undefined;
  const name = port.appProtocol.toLowerCase();
  return Object.hasOwn(APP_PROTOCOLS, name) ? APP_PROTOCOLS[name] : undefined;
}

function nameHint(name: string): PortProtocol | undefined {
  const word = name.toLowerCase().split('-', 1)[0] ?? '';
  return Object.hasOwn(NAME_HINTS, word) ? NAME_HINTS[word] : undefined;
}

export function isOpaqueByDefault(port: number): boolean {
  return DEFAULT_OPAQUE_PORTS.includes(port);
}

/** Ports of an annotation such as `25, 9000-9005`, and the items in it that are none. */
export function readPortList(text: string): { readonly ports: readonly number[]; readonly bad: readonly string[] } {
  const ports = new Set<number>();
  const bad: string[] = [];
  for (const item of text.split(',').map((part) => part.trim())) {
    if (item === '') continue;
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(item);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (match === null || from < 1 || to > 65_535 || from > to) bad.push(item);
    else for (let port = from; port <= to; port++) ports.add(port);
  }
  return { ports: [...ports].sort((a, b) => a - b), bad };
}
