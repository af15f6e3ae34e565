/** A Kubernetes object as JSON. Local mode works on the wire form, since clients may store any kind. */
export interface ApiObject {
  apiVersion: string;
  kind: string;
  metadata: ApiMeta;
  [field: string]: unknown;
}

export interface ApiMeta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ownerReferences?: {
    apiVersion: string;
    kind: string;
    name: string;
    uid: string;
    controller?: boolean;
    blockOwnerDeletion?: boolean;
  }[];
  finalizers?: string[];
  [field: string]: unknown;
}

/** Group (empty for core) and plural: `{ group: 'apps', resource: 'deployments' }`. */
export interface ResourceName {
  readonly group: string;
  readonly resource: string;
}

export interface ApiEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: ApiObject;
}

/** One kind that is served, as discovery lists it. */
export interface ApiResourceInfo extends ResourceName {
  /** Storage version: what objects of `list` and `watch` have. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/**
 * The embedded API server seen from inside the same process: what local mode's own controllers and the pod runtime use.
 * Reads are synchronous and see every acknowledged write. Objects that come out are frozen: copy before changing
 * (`structuredClone`). Writes go through admission, validation and the log as HTTP requests do, and throw `ApiError`
 * (its `code` is the HTTP status: 404, 409...). Being the system's own, `update` may also set what clients set through
 * subresources: `spec.nodeName` of a Pod (binding) and `spec.finalizers` of a Namespace (finalize).
 */
export interface ApiClient {
  /**
   * Every stored kind that is served now, custom ones included, one entry per kind; subresources and kinds that cannot
   * be listed are left out. Garbage collection and namespace deletion walk it. A change of it is a change of a CRD.
   */
  resources(): readonly ApiResourceInfo[];
  get(resource: ResourceName, namespace: string, name: string): ApiObject | undefined;
  /** All namespaces when `namespace` is undefined. Sorted by namespace and name. */
  list(resource: ResourceName, namespace?: string): readonly ApiObject[];
  /** Calls back for each later change, in order. Returns the function that ends it. */
  watch(resource: ResourceName, listener: (event: ApiEvent) => void): () => void;
  create(resource: ResourceName, object: ApiObject): Promise<ApiObject>;
  /** Replaces; conflicts (409) when resourceVersion is given and old. */
  update(resource: ResourceName, object: ApiObject): Promise<ApiObject>;
  updateStatus(resource: ResourceName, object: ApiObject): Promise<ApiObject>;
  delete(resource: ResourceName, namespace: string, name: string, options?: ApiDeleteOptions): Promise<void>;
}

export interface ApiDeleteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Seconds; pods only. 0 removes at once. */
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}
