import type { KubernetesObject } from './meta.ts';

/**
 * The SMI kinds in the hub version, which is the newest one: access v1alpha3 (v1alpha4's IdentityBinding comes with the
 * older versions), specs v1alpha4, split v1alpha4. Everything that reads SMI objects reads these; other versions are
 * converted at the border (`convert.ts`). Optional means what the CRD says: it may be missing from a stored object.
 */
export interface TrafficTarget extends KubernetesObject {
  readonly kind: 'TrafficTarget';
  readonly spec?: {
    readonly destination: IdentitySubject;
    readonly sources?: readonly IdentitySubject[];
    readonly rules?: readonly TrafficTargetRule[];
  };
}

/** `kind` is ServiceAccount for all that grants access today; other kinds are admitted and grant nothing. */
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
