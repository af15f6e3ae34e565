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
} as const;
export type Group = keyof typeof GROUPS;

/**
 * One check. Cases are data: objects, traffic and what is expected of it. In strings, `$id` is the case's own prefix
 * and `$ns` its namespace; in cases about access, `$b` and `$b2` are workloads that no other case uses meanwhile.
 */
export interface Case {
  readonly id: string;
  /** Number of the check in docs/smi.md 6. */
  readonly check: number;
  readonly title: string;
  readonly tags: readonly Tag[];
  readonly api: Api;
  readonly group: Group;
  readonly needs?: readonly Need[];
  /** Where it plays: `policy` denies unless a TrafficTarget allows, `split` lets everything through. */
  readonly home: 'policy' | 'split' | 'none';
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly apply: readonly KubeObject[] }
  | { readonly remove: readonly KubeObject[] }
  /** All of it must hold together within the propagation bound, and then stay so. */
  | { readonly expect: readonly Traffic[] }
  /** The API server's verdict about one object, which is removed again. */
  | { readonly admission: KubeObject; readonly is: 'admitted' | 'refused'; readonly mentions?: string }
  /** An Event (or condition) about an object of the case names this. */
  | { readonly event: KubeObject; readonly mentions: string }
  /** The object is refused, or else it does no harm (steps that follow show it) and an Event says why. */
  | { readonly refusedOrEvent: KubeObject; readonly mentions: string }
  /** Discovery lists these kinds. */
  | { readonly kinds: readonly KindNames[] }
  /** `kubectl get` shows a column of this name with this value. */
  | { readonly column: { readonly of: KubeObject; readonly name: string; readonly value: string } }
  /** Creation times have a resolution of one second: what must be younger waits. */
  | { readonly pauseMs: number }
  /** Anything that is not data: what is held open, or goes on, while objects change. */
  | { readonly play: string };

export interface KindNames {
  readonly group: keyof typeof API_GROUPS;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly short: string;
}

export const API_GROUPS = {
  access: 'access.smi-spec.io',
  specs: 'specs.smi-spec.io',
  split: 'split.smi-spec.io',
} as const;

/** Workloads that send. `a` and `a2` share ServiceAccount a; `other/a` has the same name in another namespace. */
export type Actor = 'a' | 'a2' | 'c' | '$b' | '$b2' | 'other/a' | 'outsider' | 'web' | 'v1';

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
