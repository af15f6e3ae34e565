import type { KubernetesObject } from './meta.ts';

/**
 * The SMI kinds in the hub version, which is the newest one: access v1alpha4, specs v1alpha4, split v1alpha4.
 * Everything that reads SMI objects reads these; other versions are converted at the border (`convert.ts`). Optional
 * means what the CRD says: it may be missing from a stored object.
 */
export interface TrafficTarget extends KubernetesObject {
  readonly kind: 'TrafficTarget';
  readonly spec?: {
    readonly destination: IdentitySubject & {
      /**
       * Of access v1alpha1 and v1alpha2, kept through every other version: the only Service port that is opened. A `port`
       * that somebody writes into a newer version is not this one, and has no effect.
       */
      readonly port?: number;
    };
    readonly sources?: readonly IdentitySubject[];
    readonly rules?: readonly TrafficTargetRule[];
  };
}

/** `kind` is ServiceAccount or IdentityBinding; other kinds are admitted (older versions say free text) and grant nothing. */
export interface IdentitySubject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface TrafficTargetRule {
  /** HTTPRouteGroup, TCPRoute or UDPRoute. */
  readonly kind: string;
  readonly name: string;
  /** Names of entries of the group; absent means all (`smi.md` 2.1 item 4). */
  readonly matches?: readonly string[];
}

/** A set of workloads of the binding's own namespace, for a TrafficTarget to name (access v1alpha4). */
export interface IdentityBinding extends KubernetesObject {
  readonly kind: 'IdentityBinding';
  readonly spec?: { readonly schemes?: IdentitySchemes };
}

/**
 * Ways to say which workloads are meant; a workload is in the set when one of them holds. `null` and empty objects, as Go
 * clients write them, are read as absent. An object that is older than the CRD may hold podLabelSelector and
 * serviceAccount together, which exclude each other: `compile/` decides what that means.
 */
export interface IdentitySchemes {
  readonly podLabelSelector?: { readonly matchLabels: ReadonlyMap<string, string> };
  /** As written: only `spiffe://…` can be anybody's (`smi.md` A21). */
  readonly spiffeIdentities?: readonly string[];
  /** Name of a ServiceAccount of the binding's namespace. */
  readonly serviceAccount?: string;
}

export interface HTTPRouteGroup extends KubernetesObject {
  readonly kind: 'HTTPRouteGroup';
  readonly spec?: { readonly matches?: readonly HTTPMatch[] };
}

export interface HTTPMatch {
  readonly name: string;
  readonly pathRegex?: string;
  readonly methods?: readonly string[];
  /** Both written forms (map, list of single-key maps) normalised: (lower-cased name, regex) in written order (H15). */
  readonly headers?: readonly (readonly [name: string, regex: string])[];
}

export interface TCPRoute extends KubernetesObject {
  readonly kind: 'TCPRoute';
  readonly spec?: { readonly matches?: PortMatch };
}

export interface UDPRoute extends KubernetesObject {
  readonly kind: 'UDPRoute';
  readonly spec?: { readonly matches?: PortMatch };
}

/** No ports, or an empty list, means every port of the destination. */
export interface PortMatch {
  readonly name?: string;
  readonly ports?: readonly number[];
}

export interface TrafficSplit extends KubernetesObject {
  readonly kind: 'TrafficSplit';
  readonly spec?: {
    readonly service: string;
    readonly backends?: readonly TrafficSplitBackend[];
    readonly matches?: readonly { readonly kind: string; readonly name: string }[];
  };
}

export interface TrafficSplitBackend {
  readonly service: string;
  /** As stored: objects older than the CRD may hold negative and fractional numbers; `compile/` decides what they mean (S22). */
  readonly weight: number;
}
