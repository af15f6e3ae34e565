import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import type { ApiClient, ApiObject } from '../../api-client.ts';
import type { Pod, Service } from '../../controllers/objects.ts';
import { ENDPOINT_SLICES, SERVICES } from '../../controllers/resources.ts';

interface Slice extends ApiObject {
  endpoints?: { addresses: string[]; conditions?: { ready?: boolean }; hostname?: string }[];
}

const SERVICE_NAME = 'kubernetes.io/service-name';
const DOMAIN = 'svc.cluster.local';

/** What /etc/hosts of a pod says: itself, and every Service by all names that cluster DNS would know from there. */
export function hostsText(client: ApiClient, pod: Pod, address: string): string {
  const { namespace: own = '', name } = pod.metadata;
  const lines = ['127.0.0.1\tlocalhost', '::1\tlocalhost ip6-localhost ip6-loopback'];
  if (address !== '') lines.push(`${address}\t${pod.spec.hostname ?? name}`);
  for (const service of client.list(SERVICES) as readonly Service[]) {
    const { namespace = '', name: short } = service.metadata;
    const full = `${short}.${namespace}.${DOMAIN}`;
    // A file is compared letter by letter: the form with a trailing dot, which DNS takes as the same name, is its own
    const names = [full, `${full}.`, `${short}.${namespace}.svc`, `${short}.${namespace}`];
    if (namespace === own) names.push(short);
    for (const ip of addressesOf(client, service)) lines.push(`${ip}\t${names.join(' ')}`);
  }
  return `${lines.join('\n')}\n`;
}

function addressesOf(client: ApiClient, service: Service): string[] {
  const { clusterIP = '', type } = service.spec;
  if (type === 'ExternalName' || clusterIP === '') return [];
  if (clusterIP !== 'None') return [clusterIP];
  const slices = client.list(ENDPOINT_SLICES, service.metadata.namespace) as readonly Slice[];
  return slices
    .filter((slice) => slice.metadata.labels?.[SERVICE_NAME] === service.metadata.name)
    .flatMap((slice) => slice.endpoints ?? [])
    .filter((endpoint) => endpoint.conditions?.ready !== false)
    .flatMap((endpoint) => endpoint.addresses);
}

/** No name server: what /etc/hosts does not know is unknown at once. */
export function resolvText(pod: Pod): string {
  const search = `${pod.metadata.namespace ?? ''}.${DOMAIN} ${DOMAIN} cluster.local`;
  return `# isolation netns: names come from /etc/hosts\nsearch ${search}\noptions timeout:1 attempts:1\n`;
}

/**
 * Changes a file without replacing it: it is bind-mounted, and a new file would not be seen. The text is written before
 * the rest is cut off, so that a reader never finds it empty.
 */
export function rewrite(path: string, text: string): void {
  try {
    if (readFileSync(path, 'utf8') === text) return;
  } catch {
    writeFileSync(path, text, { mode: 0o644 });
    return;
  }
  const fd = openSync(path, 'r+');
  try {
    const bytes = Buffer.from(text);
    writeSync(fd, bytes, 0, bytes.length, 0);
    ftruncateSync(fd, bytes.length);
  } finally {
    closeSync(fd);
  }
}
