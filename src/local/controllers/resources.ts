import type { ResourceName } from '../api-client.ts';

/** The resources that local mode's controllers and runtime read and write. */
export const NAMESPACES: ResourceName = { group: '', resource: 'namespaces' };
export const NODES: ResourceName = { group: '', resource: 'nodes' };
export const PODS: ResourceName = { group: '', resource: 'pods' };
export const SERVICES: ResourceName = { group: '', resource: 'services' };
export const ENDPOINTS: ResourceName = { group: '', resource: 'endpoints' };
export const EVENTS: ResourceName = { group: '', resource: 'events' };
export const CONFIG_MAPS: ResourceName = { group: '', resource: 'configmaps' };
export const SECRETS: ResourceName = { group: '', resource: 'secrets' };
export const SERVICE_ACCOUNTS: ResourceName = { group: '', resource: 'serviceaccounts' };
export const DEPLOYMENTS: ResourceName = { group: 'apps', resource: 'deployments' };
export const REPLICA_SETS: ResourceName = { group: 'apps', resource: 'replicasets' };
export const JOBS: ResourceName = { group: 'batch', resource: 'jobs' };
export const ENDPOINT_SLICES: ResourceName = { group: 'discovery.k8s.io', resource: 'endpointslices' };
export const CUSTOM_RESOURCE_DEFINITIONS: ResourceName = {
  group: 'apiextensions.k8s.io',
  resource: 'customresourcedefinitions',
};
