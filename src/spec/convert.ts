/** A raw object of one API version, turned into the same object in another. Pure; the input is not changed. */
export type Convert = (raw: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;

export interface HubVersion {
  readonly group: string;
  /** The version that `smi.ts` and everything behind it speak. */
  readonly hub: string;
  /** How objects of each readable version become objects of the hub version. The hub itself is one of them. */
  readonly toHub: ReadonlyMap<string, Convert>;
}

const asIs: Convert = (raw) => raw;
/** The versions differ in nothing but their name. */
const renamed =
  (apiVersion: string): Convert =>
  (raw) => ({ ...raw, apiVersion });

/**
 * The one place that knows about versions: SMI kind -> its hub version and the way there. A further version is a further
 * entry of `toHub` (and of the CRD); nothing behind this table notices.
 */
export const HUB_VERSIONS: ReadonlyMap<string, HubVersion> = new Map([
  [
    'TrafficTarget',
    {
      group: 'access.smi-spec.io',
      hub: 'v1alpha4',
      toHub: new Map([
        ['v1alpha3', renamed('access.smi-spec.io/v1alpha4')],
        ['v1alpha4', asIs],
      ]),
    },
  ],
  ['IdentityBinding', { group: 'access.smi-spec.io', hub: 'v1alpha4', toHub: new Map([['v1alpha4', asIs]]) }],
  ['HTTPRouteGroup', { group: 'specs.smi-spec.io', hub: 'v1alpha4', toHub: new Map([['v1alpha4', asIs]]) }],
  ['TCPRoute', { group: 'specs.smi-spec.io', hub: 'v1alpha4', toHub: new Map([['v1alpha4', asIs]]) }],
  ['UDPRoute', { group: 'specs.smi-spec.io', hub: 'v1alpha4', toHub: new Map([['v1alpha4', asIs]]) }],
  ['TrafficSplit', { group: 'split.smi-spec.io', hub: 'v1alpha4', toHub: new Map([['v1alpha4', asIs]]) }],
]);
