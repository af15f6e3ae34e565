import type { Container, Pod } from '../controllers/objects.ts';
import { ContainerConfigError } from './config-error.ts';

export interface PodAddresses {
  /** What the pod's app sees as its own address. */
  readonly app: string;
  readonly host: string;
}

const KEYED = /^metadata\.(labels|annotations)\['([^']*)'\]$/;

/** Value of a field that the downward API offers. @throws ContainerConfigError for others */
export function fieldValue(pod: Pod, fieldPath: string, addresses: PodAddresses): string {
  const keyed = KEYED.exec(fieldPath);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[keyed[2] ?? ''] ?? '';
  }
  switch (fieldPath) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return lines(pod.metadata.labels);
    case 'metadata.annotations':
      return lines(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? 'default';
    case 'status.podIP':
    case 'status.podIPs':
      return addresses.app;
    case 'status.hostIP':
    case 'status.hostIPs':
      return addresses.host;
    default:
      throw new ContainerConfigError(`fieldRef ${fieldPath} is not supported`);
  }
}

function lines(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

const SUFFIXES: Readonly<Record<string, number>> = {
  '': 1,
  m: 0.001,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Value of `limits.cpu` and the like, in units of the divisor, rounded up; 0 when the container states none. */
export function resourceValue(
  pod: Pod,
  own: Container,
  ref: { readonly resource: string; readonly containerName?: string; readonly divisor?: string },
): string {
  const container = pod.spec.containers.find((c) => c.name === ref.containerName) ?? own;
  const [kind, name = ''] = ref.resource.split('.');
  const amount = kind === 'limits' ? container.resources?.limits?.[name] : container.resources?.requests?.[name];
  const divisor = quantity(ref.divisor ?? '1') || 1; // the API server defaults it to "0", which means 1
  return String(Math.ceil(quantity(amount ?? '0') / divisor));
}

function quantity(text: string): number {
  const match = /^([0-9.]+)([A-Za-z]*)$/.exec(text);
  return match === null ? 0 : Number(match[1]) * (SUFFIXES[match[2] ?? ''] ?? 1);
}
