import type { Need } from './capabilities.ts';
import type { KubeObject } from './kube.ts';
import type { Protocol } from './testapp/protocol.ts';

/** `S`: stated by the SMI text. `T`: needed by tools. Others: Weft's answer to a question the text leaves open (docs/smi.md 2.7). */
export type Tag = 'S' | 'T' | `${'A' | 'H' | 'S'}${number}`;

export const APIS = ['apiextensions.k8s.io', 'access.smi-spec.io', 'specs.smi-spec.io', 'split.smi-spec.io'] as const;
export type Api = (typeof APIS)[number];

/** What a case is about, in terms of what could be broken in a mesh. `test/conformance/faults.ts` speaks of these. */
export const GROUPS = {
  admission: 'what the API accepts and refuses',
  access: 'who may call whom',
  'access-routes': 'which requests a granted caller may send',
  'access-ports': 'which ports and bytes a granted caller may use',
  identity: 'where the identity of a caller comes from',
  split: 'shares of a split',
  'split-matches': 'splits that hold for some requests only',
  'split-per-request': 'a split is decided for each request',
  'split-access': 'a split whose backends allow different callers',
  conversion: 'what an object means when other versions read and write it',
  'identity-binding': 'callers and destinations named by IdentityBindings',
  status: 'conditions that say what became of an object',
  'whole-mesh': 'what holds while parts of the mesh start, stop or are busy',
  community: 'the 24 steps of the community suite of 2021, by meaning (docs/smi.md 3)',
} as const;
export type Group = keyof typeof GROUPS;

/**
 * One check. Cases are data: objects, traffic and what is expected of it. In strings, `$id` is the case's own prefix
 * and `$ns` its namespace; in cases about access, `$b` and `$b2` are workloads that no other case uses meanwhile.
 */
export interface Case {
  readonly id: string;
  /** Number of the check in docs/smi.md 6; 0 = none, the case is of the community suite. */
  readonly check: number;
  readonly title: string;
  readonly tags: readonly Tag[];
  readonly api: Api;
  readonly group: Group;
  readonly needs?: readonly Need[];
  /** API versions, as `split/v1alpha1`, that the case is about: it is skipped where the mesh does not claim to serve them. */
  readonly serves?: readonly string[];
  /** What has to come first, before this check can be written: the case has no steps and is never played. */
  readonly waitsFor?: string;
  /** It disturbs everything else, so it plays last and by itself. */
  readonly alone?: true;
  /** Where it plays: `policy` denies unless a TrafficTarget allows, `split` lets everything through. */
  readonly home: 'policy' | 'split' | 'none';
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly apply: readonly KubeObject[] }
  | { readonly remove: readonly KubeObject[] }
  /** All of it must hold together within the propagation bound, and then stay so. */
  | { readonly expect: readonly Traffic[] }
  /** Pods of the case's own, each with a Service of its name; the case goes on when they are ready. */
  | { readonly pods: readonly CasePod[] }
  /** A JSON merge patch, as a client of that version sends it. */
  | { readonly patch: KubeObject; readonly with: object; readonly as?: string }
  /** Reads the object in that version and writes back what it read, as a client does that knows no other. */
  | { readonly rewrite: KubeObject; readonly as: string }
  /** What a client of that version reads: at least this. */
  | { readonly read: KubeObject; readonly as: string; readonly holds: object }
  /** The weights that a client of that version reads: equal to these, or at least in this ratio. */
  | {
      readonly weights: KubeObject;
      readonly as: string;
      readonly equal?: readonly number[];
      readonly ratio?: readonly number[];
    }
  /** Written in its own version, read and written back in all others, an object is the same. */
  | { readonly everyVersion: readonly KubeObject[] }
  /** The API server's verdict about one object, which is removed again. `strict`: unknown fields are refused, as for kubectl. */
  | {
      readonly admission: KubeObject;
      readonly is: 'admitted' | 'refused';
      readonly mentions?: string;
      readonly strict?: true;
    }
  /** The object is refused, or the API server warns of it. */
  | { readonly refusedOrWarned: KubeObject; readonly mentions: string }
  /** The objects are gone. */
  | { readonly absent: readonly KubeObject[] }
  /** A condition of that name (of the capability file's `conditions`) has this status, for the object as it is now. */
  | { readonly condition: KubeObject; readonly name: ConditionName; readonly is: boolean; readonly mentions?: string }
  /** A step of the community suite has been passed. */
  | { readonly passed: string }
  /** An Event (or condition) about an object of the case names this. */
  | { readonly event: KubeObject; readonly mentions: string }
  /** The object is refused, or else it does no harm (steps that follow show it) and an Event says why. */
  | { readonly refusedOrEvent: KubeObject; readonly mentions: string }
  /** Discovery lists these kinds, in the version that cases are written in. */
  | { readonly kinds: readonly KindNames[] }
  /** Discovery lists every version that the mesh claims, each with its kinds. */
  | { readonly versions: Readonly<Record<string, readonly string[]>> }
  /** `kubectl get` shows a column of this name with this value. */
  | { readonly column: { readonly of: KubeObject; readonly name: string; readonly value: string } }
  /** Creation times have a resolution of one second: what must be younger waits. */
  | { readonly pauseMs: number }
  /** Anything that is not data: what is held open, or goes on, while objects change. */
  | { readonly play: string };

/** A pod of one case. Names begin with `$id-`. */
export interface CasePod {
  readonly name: string;
  /** ServiceAccount; the pod's own name by default. */
  readonly account?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Its readiness probe never succeeds: the case goes on when it runs. */
  readonly unready?: true;
}

export type ConditionName = 'accepted' | 'resolved' | 'conflicted' | 'programmed';

export interface KindNames {
  readonly group: keyof typeof API_GROUPS;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly short: string;
  /** Default: the version that cases are written in. */
  readonly version?: string;
}

export const API_GROUPS = {
  access: 'access.smi-spec.io',
  specs: 'specs.smi-spec.io',
  split: 'split.smi-spec.io',
} as const;

/** Workloads that send. `a` and `a2` share ServiceAccount a; `other/a` has the same name in another namespace. */
export type Actor = 'a' | 'a2' | 'c' | '$b' | '$b2' | 'other/a' | 'outsider' | 'web' | 'v1' | `$id-${string}`;

/** Where traffic goes. */
export type Destination =
  /** Service of that name; of the case's own namespace unless it says `split/v1`. */
  | { readonly service: string; readonly form?: 'qualified' | 'short' | 'full' | 'dot' | 'bare' | 'address' }
  /** The pod's own address. */
  | { readonly pod: string };

export interface Traffic {
  readonly from: Actor;
  readonly to: Destination;
  /** Default 8080. */
  readonly port?: number;
  /** Default http1. */
  readonly protocol?: Protocol;
  readonly method?: string;
  readonly path?: string;
  readonly paths?: readonly string[];
  readonly headers?: readonly (readonly [string, string])[];
  /** Adds the headers by which a mesh might be fooled into taking the caller for ServiceAccount a. */
  readonly forged?: true;
  readonly bytes?: string;
  readonly count?: number;
  readonly concurrency?: number;
  readonly reuse?: true;
  readonly direct?: true;
  readonly tunnel?: true;
  readonly is: Verdict;
}

export type Verdict =
  /** Complete replies, and from the app that was meant. */
  | 'allowed'
  /** 403 or a closed connection, and the app saw nothing. Never a hang. */
  | 'denied'
  /** Exactly 403 (gRPC: PERMISSION_DENIED), and the app saw nothing. */
  | 'forbidden'
  /** Exactly a closed connection, and the app saw nothing. */
  | 'closed'
  /** Denied, or 400: the mesh refuses the path; and the app saw nothing. */
  | 'rejected'
  | { readonly status: number }
  /** Every reply is complete and comes from one of these apps, and each of them sent one. */
  | { readonly each: readonly string[] }
  /** Relative weights, judged statistically (conformance/statistics.ts). `forbidden` counts 403s. */
  | { readonly shares: Readonly<Record<string, number>> }
  /** Per path of `paths`. */
  | { readonly byPath: Readonly<Record<string, 'allowed' | 'forbidden'>> }
  | { readonly arrives: Arrival };

/** Complete replies, and the app that sent them received the request in this way. */
export interface Arrival {
  readonly port?: number;
  readonly path?: string;
  /** How many requests must arrive, of those that this piece of traffic sends. */
  readonly count?: number;
  /** Headers that must arrive as they were sent. */
  readonly with?: readonly string[];
  /** Headers that must not arrive as they were sent. */
  readonly without?: readonly string[];
}

/** The bands that a case's shares are compared with: they enter the run's false-alarm budget. */
export function bandsOf({ steps }: Case): number {
  return steps
    .flatMap((step) => ('expect' in step ? step.expect : []))
    .map(({ is }) => (typeof is === 'object' && 'shares' in is ? Object.keys(is.shares).length : 0))
    .reduce((sum, bands) => sum + bands, 0);
}

/** Puts values for `$name` into every string of a case's data. */
export function fill<T>(data: T, values: Readonly<Record<string, string>>): T {
  if (typeof data === 'string') return data.replace(/\$(\w+)/g, (whole, name: string) => values[name] ?? whole) as T;
  if (Array.isArray(data)) return data.map((item: unknown) => fill(item, values)) as T;
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => [fill(key, values), fill(value as unknown, values)]),
  ) as T;
}
