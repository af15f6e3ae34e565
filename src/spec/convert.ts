import { groupV1alpha1, groupV1alpha2 } from './conversion/http-route-group.ts';
import type { JsonObject } from './conversion/json-object.ts';
import { type PlainSteps, versionSteps } from './conversion/steps.ts';
import { tcpRouteV1alpha1, tcpRouteV1alpha3 } from './conversion/tcp-route.ts';
import { splitV1alpha1, splitV1alpha2 } from './conversion/traffic-split.ts';
import { targetV1alpha1, targetV1alpha2 } from './conversion/traffic-target.ts';

/** A raw object of one API version, turned into the same object in another. Pure; the input is not changed. */
export type Convert = (raw: JsonObject) => JsonObject;

export interface HubVersion {
  readonly group: string;
  /** The version that `smi.ts` and everything behind it speak, and that is stored. */
  readonly hub: string;
  /** How objects of each readable version become objects of the hub version. The hub itself is one of them. */
  readonly toHub: ReadonlyMap<string, Convert>;
  readonly fromHub: ReadonlyMap<string, Convert>;
}

/** The versions differ in nothing but their name. */
const SAME: PlainSteps = { up: (facts) => facts, down: (facts) => facts };

/**
 * The one place that knows about versions: SMI kind -> its hub version and the ways there and back. A further version is
 * a further entry here (and in the CRD); nothing behind this table notices.
 */
export const HUB_VERSIONS: ReadonlyMap<string, HubVersion> = new Map([
  [
    'TrafficTarget',
    hubOf('access.smi-spec.io', { v1alpha1: targetV1alpha1, v1alpha2: targetV1alpha2, v1alpha3: SAME }),
  ],
  ['IdentityBinding', hubOf('access.smi-spec.io', {})],
  ['HTTPRouteGroup', hubOf('specs.smi-spec.io', { v1alpha1: groupV1alpha1, v1alpha2: groupV1alpha2, v1alpha3: SAME })],
  [
    'TCPRoute',
    hubOf('specs.smi-spec.io', {
      v1alpha1: tcpRouteV1alpha1,
      v1alpha2: tcpRouteV1alpha1,
      v1alpha3: tcpRouteV1alpha3,
    }),
  ],
  ['UDPRoute', hubOf('specs.smi-spec.io', {})],
  ['TrafficSplit', hubOf('split.smi-spec.io', { v1alpha1: splitV1alpha1, v1alpha2: splitV1alpha2, v1alpha3: SAME })],
]);

/**
 * The same object in another version of its group, without loss.
 * @param apiVersion group and version to convert to
 * @throws Error with a sentence for people when its kind, its version or the asked one is not known
 */
export function convertSmi(raw: JsonObject, apiVersion: string): JsonObject {
  const from = typeof raw['apiVersion'] === 'string' ? raw['apiVersion'] : '';
  const kind = typeof raw['kind'] === 'string' ? raw['kind'] : '';
  const hub = HUB_VERSIONS.get(kind);
  if (hub === undefined) throw new Error(`kind ${JSON.stringify(kind)} is no kind of SMI`);
  const toHub = hub.toHub.get(versionOf(from, hub.group));
  if (toHub === undefined) throw new Error(`${kind} is not known in version ${JSON.stringify(from)}`);
  const fromHub = hub.fromHub.get(versionOf(apiVersion, hub.group));
  if (fromHub === undefined) throw new Error(`${kind} is not known in version ${JSON.stringify(apiVersion)}`);
  return from === apiVersion ? raw : fromHub(toHub(raw));
}

function hubOf(group: string, older: Readonly<Record<string, PlainSteps>>): HubVersion {
  const hub = 'v1alpha4';
  const asIs: Convert = (raw) => raw;
  const steps = Object.entries(older).map(
    ([version, plain]) => [version, versionSteps(version, `${group}/${version}`, `${group}/${hub}`, plain)] as const,
  );
  return {
    group,
    hub,
    toHub: new Map<string, Convert>([...steps.map(([v, { toHub }]) => [v, toHub] as const), [hub, asIs]]),
    fromHub: new Map<string, Convert>([...steps.map(([v, { fromHub }]) => [v, fromHub] as const), [hub, asIs]]),
  };
}

/** `v1alpha2` of `split.smi-spec.io/v1alpha2`; empty when it is of another group. */
function versionOf(apiVersion: string, group: string): string {
  return apiVersion.startsWith(`${group}/`) ? apiVersion.slice(group.length + 1) : '';
}
