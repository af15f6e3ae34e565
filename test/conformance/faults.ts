import { GROUPS, type Group } from '../../conformance/case.ts';
import type { Report } from '../../conformance/report.ts';

/**
 * Meshes broken on purpose. The suite is judged by them: under each fault exactly the groups named here must have a
 * failed case, and no other group any. How a fault is switched on is the business of whoever starts the mesh; what it
 * must do stands in `does`.
 */
export interface Fault {
  readonly does: string;
  readonly fails: readonly Group[];
  /** Groups that may fail as well: whether they do depends on how much a mesh refuses and how much it reports. */
  readonly mayFail?: readonly Group[];
}

const ACCESS: readonly Group[] = [
  ...(['access', 'access-routes', 'access-ports', 'identity', 'split-access'] as const),
  ...(['identity-binding', 'conversion', 'whole-mesh', 'community'] as const),
];
const SPLITS: readonly Group[] = [
  ...(['split', 'split-matches', 'split-per-request', 'split-access'] as const),
  ...(['conversion', 'whole-mesh', 'community'] as const),
];

export const FAULTS = {
  'allow-everything': {
    does: 'inbound access rules are never applied: every request and connection is let in, in every mode',
    fails: ACCESS,
    mayFail: ['status'],
  },
  'deny-everything': {
    does: 'inbound refuses every request and connection with ACCESS_DENIED in every mode; only probes pass',
    fails: [...new Set([...ACCESS, ...SPLITS])],
    mayFail: ['status'],
  },
  'ignore-splits': {
    does: 'TrafficSplits are dropped: every call goes to the endpoints of the root Service',
    fails: SPLITS,
    mayFail: ['status'], // a mesh that says truly who has a split says so of none
  },
  'ignore-matches': {
    does: 'every HTTP match (of access rules and of splits) holds for every HTTP request',
    fails: ['access-routes', 'split-matches', 'conversion', 'community', 'whole-mesh'],
  },
  'split-per-connection': {
    does: 'the backend of a split is chosen once per connection of the app and kept for its later requests',
    fails: ['split-per-request'],
  },
  'trust-forged-identity': {
    does: 'inbound takes the caller from the URI in x-forwarded-client-cert where the app sent one, and no hop strips it',
    fails: ['identity'],
  },
  'identity-by-address': {
    does: 'inbound takes a caller for whoever had its address first',
    fails: ['identity'],
  },
  'ignore-bindings': {
    does: 'IdentityBindings mean nobody',
    fails: ['identity-binding'],
  },
  'convert-widens': {
    does: 'what an older version of an API cannot hold is lost when a client of that version writes',
    fails: ['conversion'],
  },
  'say-nothing': {
    does: 'there are no Events about SMI objects, and their status has no conditions',
    fails: ['access-routes', 'split', 'split-matches', 'status'],
    mayFail: ['access', 'admission'],
  },
  'open-while-starting': {
    does: 'a proxy that has just started lets everybody in until it has its policy',
    fails: ['whole-mesh'],
  },
  'open-without-control-plane': {
    does: 'proxies that lose their control plane let everybody in',
    fails: ['whole-mesh'],
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

export interface FaultVerdict {
  /** Groups that the fault breaks, but where nothing failed: the suite is blind there. */
  readonly blind: readonly Group[];
  /** Groups that failed although the fault leaves them alone, with the ids of the cases. */
  readonly unrelated: Readonly<Partial<Record<Group, readonly string[]>>>;
}

/** Compares the groups that failed in a report with those that the fault must fail. Groups not played count as neither. */
export function judgeFault(fault: FaultName, { cases }: Report): FaultVerdict {
  const { fails: expected, mayFail = [] }: Fault = FAULTS[fault];
  const of = (group: Group) => cases.filter((result) => result.group === group);
  const failedIds = (group: Group) =>
    of(group)
      .filter(({ outcome }) => outcome === 'failed')
      .map(({ id }) => id);
  const groups = Object.keys(GROUPS) as Group[];
  const played = (group: Group) => of(group).some(({ outcome }) => outcome !== 'skipped');
  const blind = expected.filter((group) => played(group) && failedIds(group).length === 0);
  const unrelated = groups
    .filter((group) => ![...expected, ...mayFail].includes(group) && failedIds(group).length > 0)
    .map((group) => [group, failedIds(group)] as const);
  return { blind, unrelated: Object.fromEntries(unrelated) };
}
