import type { ApiObject, ResourceName } from '../../api-client.ts';
import type { FieldError } from '../errors.ts';
import type { JsonObject } from '../json.ts';
import type { Resolve, Schema } from '../schema/schema.ts';
import type { Column } from '../table/column.ts';

/** Who asks, and how; travels with every write. */
export interface RequestContext {
  readonly user: UserInfo;
  readonly dryRun: boolean;
  /** Named in managedFields. */
  readonly fieldManager: string;
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
  /** Sent as Warning headers. */
  readonly warnings: string[];
  /** Set for local mode's own controllers: they may write what users may not (a Namespace's finalizers). */
  readonly internal: boolean;
}

export interface UserInfo {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What a strategy may look at beside the object that is being written. Reads see writes that are on their way too. */
export interface Look {
  get(resource: ResourceName, namespace: string, name: string): ApiObject | undefined;
  list(resource: ResourceName, namespace?: string): readonly ApiObject[];
  now(): number;
}

/** Where a kind keeps its replica count, as JSON paths (`.spec.replicas`). */
export interface ScalePaths {
  readonly spec: string;
  readonly status: string;
  readonly selector?: string;
}

/** What is special about one kind. Every member may be missing; objects handed in are drafts that may be changed. */
export interface Strategy {
  /** Fills in what Kubernetes fills in on decoding. Must be idempotent. */
  defaults?(object: JsonObject): void;
  prepareCreate?(object: ApiObject, look: Look, context: RequestContext): void;
  prepareUpdate?(object: ApiObject, old: ApiObject, look: Look, context: RequestContext): void;
  /** Holds for every object, on create and (with the `old` one) update. */
  validate?(object: ApiObject, look: Look, old?: ApiObject): FieldError[];
  validateUpdate?(object: ApiObject, old: ApiObject, look: Look): FieldError[];
  /** Takes what only one object can have (an address), at the last moment before the write. Changes the object. */
  claim?(object: ApiObject, old: ApiObject | undefined, look: Look): FieldError[];
  /** Warnings for the client about things that are allowed but unwise. */
  warnings?(object: ApiObject): string[];
  /** Seconds between deletion and removal; 0 or undefined removes at once. */
  gracePeriodSeconds?(object: ApiObject, asked: number | undefined): number;
  /** Whether something other than metadata.finalizers keeps a deleted object (a Namespace's spec.finalizers). */
  heldOnDelete?(object: ApiObject): boolean;
  /** Changes a deleted object that stays for a while (a Namespace's phase). */
  markDeleted?(object: ApiObject): void;
  /** Refuses the deletion by throwing. */
  beforeDelete?(object: ApiObject): void;
  /** Names allowed for objects; DNS subdomain when missing. */
  validName?(name: string): string | undefined;
  /** `metadata.name`-like fields for field selectors, beyond name and namespace. */
  fields?(object: ApiObject): Record<string, string>;
  /** Members beside metadata and status that do not count for `metadata.generation`. Undefined: no generation at all. */
  readonly generation?: boolean;
}

/** One served resource, in all its versions. */
export interface Kind extends ResourceName {
  readonly kind: string;
  readonly listKind: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  /** Served versions, preferred first. */
  readonly versions: readonly string[];
  readonly storageVersion: string;
  readonly verbs: readonly string[];
  readonly status: (version: string) => boolean;
  readonly scale: (version: string) => ScalePaths | undefined;
  readonly strategy: Strategy;
  readonly schema: (version: string) => Schema | undefined;
  readonly resolve: Resolve;
  /** Columns of `kubectl get`, without Name. */
  readonly columns: (version: string) => readonly Column[];
  /** Built-in kinds are decoded as Go structs, custom ones by their structural schema. */
  readonly custom: CustomKind | undefined;
  /** Built-in kinds with several versions. */
  readonly convert?: (object: ApiObject, apiVersion: string) => ApiObject;
  /** Kinds that share storage with another (events.k8s.io and core events). */
  readonly storedAs?: { readonly resource: ResourceName; readonly toStored: Convert; readonly fromStored: Convert };
}

export type Convert = (object: ApiObject) => ApiObject;

/** What only kinds defined by a CRD have. */
export interface CustomKind {
  readonly crdName: string;
  readonly crdUid: string;
  readonly conversion: { readonly strategy: 'None' } | { readonly strategy: 'Webhook'; readonly webhook: JsonObject };
  readonly deprecated: (version: string) => string | undefined;
  /** True when the version asks for unknown fields to be kept everywhere. */
  readonly preserveUnknownFields: boolean;
}

export const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'] as const;

/** `v1` or `apps/v1`. */
export function apiVersionOf(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `apps/v1` -> group and version. */
export function parseApiVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}
