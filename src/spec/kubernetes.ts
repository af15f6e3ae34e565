import type { KubernetesObject } from './meta.ts';

/** The few Kubernetes kinds that the meaning of SMI needs, cut down to the fields that are read. */
export interface Namespace extends KubernetesObject {
  readonly kind: 'Namespace';
}

export interface ServiceAccount extends KubernetesObject {
  readonly kind: 'ServiceAccount';
}

export interface Service extends KubernetesObject {
  readonly kind: 'Service';
  readonly spec: {
    readonly type: string;
    /** All cluster IPs, both families; empty for headless (`None`) and ExternalName. */
    readonly clusterIPs: readonly string[];
    readonly headless: boolean;
    /** Undefined when the Service has no selector (its endpoints are made by somebody else). */
    readonly selector?: ReadonlyMap<string, string>;
    readonly ports: readonly ServicePort[];
  };
}

export interface ServicePort {
  /** Empty when unnamed. */
  readonly name: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  /** Number, or name of a container port. */
  readonly targetPort: number | string;
  readonly appProtocol?: string;
}

export interface EndpointSlice extends KubernetesObject {
  readonly kind: 'EndpointSlice';
  /** Value of the label kubernetes.io/service-name. */
  readonly service: string;
  readonly addressType: string;
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[];
  readonly endpoints: readonly SliceEndpoint[];
}

export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Name of the pod behind the address, in the slice's namespace. */
  readonly pod?: string;
}

export interface Pod extends KubernetesObject {
  readonly kind: 'Pod';
  readonly spec: {
    readonly serviceAccountName: string;
    readonly hostNetwork: boolean;
    readonly nodeName: string;
    readonly containers: readonly Container[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIPs: readonly string[];
    readonly ready: boolean;
  };
}

export interface Container {
  readonly name: string;
  readonly ports: readonly ContainerPort[];
  /** The network probes of the container: what kubelets may call without an identity (`smi.md` A15). */
  readonly probes: readonly Probe[];
}

export interface ContainerPort {
  readonly name: string;
  readonly containerPort: number;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
}

export type Probe =
  | { readonly type: 'http'; readonly port: number; readonly path: string }
  | { readonly type: 'tcp'; readonly port: number }
  | { readonly type: 'grpc'; readonly port: number };

/** ReplicaSet or Job: read only to find the workload that a pod belongs to. */
export interface WorkloadOwner extends KubernetesObject {
  readonly kind: 'ReplicaSet' | 'Job';
}
