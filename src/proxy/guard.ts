import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { canonicalAddress, isLinkLocal, isLoopback, isUnspecified } from './destination.ts';
import type { Listener } from './server/listener.ts';

export interface GuardOptions {
  /** What is open now, but for the listeners that stand for the app's own ports. */
  readonly listeners: () => readonly Listener[];
  /** Further ports of this sidecar (admin). */
  readonly reservedPorts: readonly number[];
  /** Addresses or networks, `10.0.0.0/8`, that apps must not call unless they are a known Service. */
  readonly forbidden: readonly string[];
}

/** Judges destinations that the mesh does not know (suites 3.4). */
export interface Guard {
  /** Why an address must not be dialled for the app; undefined = it may. */
  forbidden(address: string, port: number): string | undefined;
  /** Whether a port belongs to the sidecar and not to the app. */
  isWeftPort(port: number): boolean;
}

/** @throws Error that names the entry of `forbidden` that is no address or network */
export function destinationGuard({ listeners, reservedPorts, forbidden }: GuardOptions): Guard {
  const blocked = blockList(forbidden);
  const isWeftPort = (port: number) => reservedPorts.includes(port) || listeners().some((l) => l.port === port);
  return {
    isWeftPort,
    forbidden(address, port) {
      if (isLinkLocal(address)) return 'link-local addresses are for nobody in the mesh';
      if (isWeftPort(port) && isOurs(address, port, listeners())) return 'that is the sidecar itself';
      if (blocked.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return 'the configuration forbids it';
      return undefined;
    },
  };
}

/** Whether the address leads to this sidecar: to a listener of ours, or, on a reserved port, to this machine at all. */
function isOurs(address: string, port: number, listeners: readonly Listener[]): boolean {
  const bound = listeners.filter((listener) => listener.port === port);
  if (bound.some((listener) => listener.address === address)) return true;
  if (isUnspecified(address)) return true;
  const everywhere = bound.length === 0 || bound.some((listener) => isUnspecified(listener.address));
  return everywhere && (isLoopback(address) || localAddresses().has(address));
}

/** Asked only when a destination has one of our ports, so it need not be cached. */
function localAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return new Set(all.map(({ address }) => canonicalAddress(address)));
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    try {
      if (bits === undefined) list.addAddress(address, family);
      else list.addSubnet(address, Number(bits), family);
    } catch (cause) {
      throw new Error(`forbidden destinations: ${JSON.stringify(entry)} is no address or network`, { cause });
    }
  }
  return list;
}
