import type { ApiClient, ApiObject } from '../../api-client.ts';
import type { Service } from '../../controllers/objects.ts';
import { ENDPOINT_SLICES, SERVICES } from '../../controllers/resources.ts';

interface Slice extends ApiObject {
  ports?: { name?: string; port?: number; protocol?: string }[];
  endpoints?: { addresses: string[]; conditions?: { ready?: boolean } }[];
}

/** One port of one cluster IP, and where connections to it go. */
interface VirtualPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
  /** `address port` pairs; never empty. */
  readonly targets: readonly (readonly [address: string, port: number])[];
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/**
 * Commands for the mesh namespace that lead cluster IPs to ready endpoints, as kube-proxy does: for pods without a
 * sidecar, and for UDP. What meshed pods send by TCP never gets here: their sidecars choose the endpoint.
 */
export function serviceCommands(client: ApiClient, redirect: 'nft' | 'iptables'): string {
  const ports = virtualPorts(client);
  return redirect === 'nft' ? nftCommands(ports) : iptablesCommands(ports);
}

function virtualPorts(client: ApiClient): VirtualPort[] {
  const slices = Map.groupBy(
    client.list(ENDPOINT_SLICES) as readonly Slice[],
    (slice) => `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME]}`,
  );
  return (client.list(SERVICES) as readonly Service[]).flatMap((service) => {
    const { clusterIP = '', ports = [], type } = service.spec;
    if (!/^\d+\.\d+\.\d+\.\d+$/.test(clusterIP) || type === 'ExternalName') return [];
    const own = slices.get(`${service.metadata.namespace}/${service.metadata.name}`) ?? [];
    return ports.flatMap((port) => {
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      const targets = own.flatMap((slice) => targetsOf(slice, port.name ?? '', protocol));
      if (targets.length === 0 || (protocol !== 'tcp' && protocol !== 'udp')) return [];
      return [{ ip: clusterIP, protocol, port: port.port, targets }];
    });
  });
}

function targetsOf(slice: Slice, name: string, protocol: string): (readonly [string, number])[] {
  const number = slice.ports?.find(
    (p) => (p.name ?? '') === name && (p.protocol ?? 'TCP').toLowerCase() === protocol,
  )?.port;
  if (number === undefined) return [];
  const ready = (slice.endpoints ?? []).filter((endpoint) => endpoint.conditions?.ready !== false);
  return ready.flatMap((endpoint) => endpoint.addresses.map((address) => [address, number] as const));
}

function nftCommands(ports: readonly VirtualPort[]): string {
  const rules = ports.map(({ ip, protocol, port, targets }) => {
    const map = targets.map(([address, number], i) => `${i} : ${address} . ${number}`).join(', ');
    return `    ip daddr ${ip} ${protocol} dport ${port} dnat ip addr . port to numgen random mod ${targets.length} map { ${map} }`;
  });
  return [
    "nft -f - <<'RULES'", // one transaction
    'table ip services {}',
    'delete table ip services',
    'table ip services {',
    '  chain prerouting {',
    '    type nat hook prerouting priority -100;',
    ...rules,
    '  }',
    '}',
    'RULES',
  ].join('\n');
}

function iptablesCommands(ports: readonly VirtualPort[]): string {
  const rules = ports.flatMap(({ ip, protocol, port, targets }) =>
    targets.map(([address, number], i) => {
      const left = targets.length - i; // each of those that are left has an equal chance
      const chance = left === 1 ? '' : `-m statistic --mode random --probability ${(1 / left).toFixed(8)} `;
      return `-A PREROUTING -d ${ip}/32 -p ${protocol} --dport ${port} ${chance}-j DNAT --to-destination ${address}:${number}`;
    }),
  );
  return ["iptables-restore <<'RULES'", '*nat', ...rules, 'COMMIT', 'RULES'].join('\n');
}
