import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { accessMatcher } from '../mesh/access.ts';
import type { Credentials } from '../mesh/credentials.ts';
import { httpMatcher } from '../mesh/http-matcher.ts';
import type { ProxyConfig, Resource } from '../mesh/resources.ts';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import { flag, integer, list, object, optional, text } from './check.ts';
import { parseDestination } from './destination.ts';
import { tlsIdentity } from './live-credentials.ts';
import type { ForwardAddress, ProxyListeners } from './options.ts';
import { resourceCheck } from './resource-schema.ts';
import type { ListenAddress } from './server/listener.ts';

/** Everything that a standalone sidecar gets from its file (docs/proxy-config.md). */
export interface StandaloneConfig {
  readonly listeners: ProxyListeners;
  readonly admin: ListenAddress | undefined;
  readonly appAddress: string | undefined;
  readonly podAddresses: readonly string[];
  readonly tunnelPort: number | undefined;
  readonly forbidden: readonly string[];
  readonly metrics: boolean;
  readonly credentials: Credentials | undefined;
  readonly config: ProxyConfig;
}

/** A file that cannot be used, with everything that is wrong with it. */
export class ConfigFileError extends Error {
  readonly problems: readonly string[];

  constructor(file: string, problems: readonly string[]) {
    super(
      `${file}: ${problems.length} problem${problems.length === 1 ? '' : 's'}\n${problems.map((p) => `  ${p}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

const listenText = text('ADDRESS:PORT, or :PORT for every address', (value) => parseListen(value) !== undefined);
const addressText = text('an IP address', (value) => isIP(value) !== 0);
const schema = object({
  listeners: object({
    outbound: optional(listenText),
    explicit: optional(listenText),
    forward: optional(
      list(
        object({
          listen: listenText,
          destination: text('HOST:PORT', (value) => parseDestination(value) !== undefined),
        }),
      ),
    ),
    inbound: optional(listenText),
    inboundPorts: optional(addressText),
    tunnel: optional(listenText),
  }),
  admin: optional(listenText),
  appAddress: optional(addressText),
  podAddresses: optional(list(addressText)),
  tunnelPort: optional(integer(1, 65535)),
  forbidden: optional(list(text('an address or network', isNetwork))),
  metrics: optional(flag),
  certificate: optional(object({ chain: text(), key: text(), trust: list(text()) })),
  resources: list(resourceCheck),
});

interface FileContents {
  readonly listeners: {
    readonly outbound?: string;
    readonly explicit?: string;
    readonly forward?: readonly { readonly listen: string; readonly destination: string }[];
    readonly inbound?: string;
    readonly inboundPorts?: string;
    readonly tunnel?: string;
  };
  readonly admin?: string;
  readonly appAddress?: string;
  readonly podAddresses?: readonly string[];
  readonly tunnelPort?: number;
  readonly forbidden?: readonly string[];
  readonly metrics?: boolean;
  readonly certificate?: { readonly chain: string; readonly key: string; readonly trust: readonly string[] };
  readonly resources: readonly Resource[];
}

/**
 * Parses the file of `weft proxy --config FILE` as a whole.
 * @param file name for messages
 * @param contents its text
 * @param readFile text of a file that it names, relative to it; may throw
 * @throws ConfigFileError with every problem there is
 */
export function parseConfigFile(file: string, contents: string, readFile: (path: string) => string): StandaloneConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(contents);
  } catch (error) {
    throw new ConfigFileError(file, [`is no JSON: ${(error as Error).message}`]);
  }
  const problems: string[] = [];
  schema(parsed, '', problems);
  if (problems.length > 0) throw new ConfigFileError(file, problems);
  const { certificate, resources, ...rest } = parsed as FileContents;
  const credentials = certificate && readCredentials(certificate, readFile, problems);
  checkMeaning(resources, problems);
  if (problems.length > 0) throw new ConfigFileError(file, problems);
  return {
    listeners: readListeners(rest.listeners),
    admin: rest.admin === undefined ? undefined : parseListen(rest.admin),
    appAddress: rest.appAddress,
    podAddresses: rest.podAddresses ?? [],
    tunnelPort: rest.tunnelPort,
    forbidden: rest.forbidden ?? [],
    metrics: rest.metrics ?? true,
    credentials,
    config: new Map(resources.map((resource) => [resource.key, resource])),
  };
}

/** `127.0.0.1:80`, `[::1]:80`, `:80` for every address; port 0 is a free one. */
export function parseListen(value: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]*)):(\d{1,5})$/.exec(value);
  const address = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (match === null || port > 65535 || (address !== '' && isIP(address) === 0)) return undefined;
  return { address, port };
}

function readListeners(listeners: FileContents['listeners']): ProxyListeners {
  const at = (value: string) => parseListen(value)!; // the schema has parsed it once
  const { outbound, explicit, forward, inbound, inboundPorts, tunnel } = listeners;
  const forwards = forward?.map(({ listen, destination }): ForwardAddress => ({ ...at(listen), destination }));
  return {
    ...(outbound !== undefined && { outbound: at(outbound) }),
    ...(explicit !== undefined && { explicit: at(explicit) }),
    ...(forwards !== undefined && { forward: forwards }),
    ...(inbound !== undefined && { inbound: at(inbound) }),
    ...(inboundPorts !== undefined && { inboundPorts: { address: inboundPorts } }),
    ...(tunnel !== undefined && { tunnel: at(tunnel) }),
  };
}

function isNetwork(value: string): boolean {
  const [address = '', bits, ...more] = value.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

function readCredentials(
  { chain, key, trust }: NonNullable<FileContents['certificate']>,
  readFile: (path: string) => string,
  problems: string[],
): Credentials | undefined {
  const before = problems.length;
  const read = (path: string, field: string) => {
    try {
      return readFile(path);
    } catch (error) {
      problems.push(`certificate.${field}: cannot read ${path}: ${(error as Error).message}`);
      return '';
    }
  };
  const certificateChain = read(chain, 'chain');
  const privateKey = read(key, 'key');
  const trustBundle = trust.flatMap((path, i) => pemBlocks(read(path, `trust[${i}]`)));
  if (problems.length > before) return undefined;
  try {
    const leaf = new X509Certificate(certificateChain);
    const identity = /URI:(spiffe:\/\/[^,\s]+)/.exec(leaf.subjectAltName ?? '')?.[1];
    if (identity === undefined) throw new Error(`${chain} has no SPIFFE ID among its alternative names`);
    const credentials = { identity, certificateChain, privateKey, trustBundle, notAfter: leaf.validToDate.getTime() };
    tlsIdentity(credentials); // key and certificate fit together
    return credentials;
  } catch (error) {
    problems.push(`certificate: ${(error as Error).message}`);
    return undefined;
  }
}

function pemBlocks(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
}

/** What no single field shows: duplicate keys, backends without endpoints, patterns that are none. */
function checkMeaning(resources: readonly Resource[], problems: string[]): void {
  const keys = new Set<string>();
  for (const [i, resource] of resources.entries()) {
    if (keys.has(resource.key)) problems.push(`resources[${i}].key: ${resource.key} occurs twice`);
    keys.add(resource.key);
  }
  for (const [i, resource] of resources.entries()) {
    const complain = (path: string, message: string) => problems.push(`resources[${i}].${path}: ${message}`);
    checkResource(resource, keys, complain);
  }
}

function checkResource(
  resource: Resource,
  keys: ReadonlySet<string>,
  complain: (path: string, message: string) => void,
) {
  switch (resource.type) {
    case 'workload':
      if (parseSpiffeId(resource.identity)?.trustDomain === resource.trustDomain) return;
      return complain('identity', `is not of trust domain ${resource.trustDomain}`);
    case 'inbound':
      return attempt(() => accessMatcher(resource), 'rules', complain);
    case 'service':
      for (const [p, { routes }] of resource.ports.entries()) {
        for (const [r, { matches, backends }] of routes.entries()) {
          const path = `ports[${p}].routes[${r}]`;
          attempt(() => httpMatcher(matches), `${path}.matches`, complain);
          for (const [b, { endpoints }] of backends.entries()) {
            if (!keys.has(endpoints)) complain(`${path}.backends[${b}].endpoints`, `there is no resource ${endpoints}`);
          }
        }
      }
      return;
    case 'endpoints':
    case 'pod':
      return;
  }
}

function attempt(run: () => unknown, path: string, complain: (path: string, message: string) => void): void {
  try {
    run();
  } catch (error) {
    complain(path, (error as Error).message);
  }
}
