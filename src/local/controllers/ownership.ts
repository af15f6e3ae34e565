import type { ApiClient, ApiMeta, ApiObject, ResourceName } from '../api-client.ts';

type OwnerReference = NonNullable<ApiMeta['ownerReferences']>[number];

/** The reference to the one owner that controls the object. */
export function controllerOf(object: ApiObject): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}

export function isControlledBy(object: ApiObject, owner: ApiObject): boolean {
  return controllerOf(object)?.uid === owner.metadata.uid;
}

/** Reference that makes `owner` the controller of an object. */
export function controllerReference(owner: ApiObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? '',
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * The objects that `owner` controls. What matches its selector and has no controller is adopted first (such as pods left
 * by `kubectl delete --cascade=orphan`), unless the owner is being deleted; what no longer matches is released.
 */
export async function claim(
  client: ApiClient,
  resource: ResourceName,
  owner: ApiObject,
  matches: (object: ApiObject) => boolean,
): Promise<ApiObject[]> {
  const claimed: ApiObject[] = [];
  for (const object of client.list(resource, owner.metadata.namespace)) {
    const controlled = isControlledBy(object, owner);
    if (controlled && matches(object)) claimed.push(object);
    else if (controlled && owner.metadata.deletionTimestamp === undefined)
      await release(client, resource, object, owner);
    else if (controllerOf(object) === undefined && isAdoptable(object, owner) && matches(object)) {
      claimed.push(await adopt(client, resource, object, owner));
    }
  }
  return claimed;
}

function isAdoptable(object: ApiObject, owner: ApiObject): boolean {
  return owner.metadata.deletionTimestamp === undefined && object.metadata.deletionTimestamp === undefined;
}

function adopt(client: ApiClient, resource: ResourceName, object: ApiObject, owner: ApiObject): Promise<ApiObject> {
  const ownerReferences = [...(object.metadata.ownerReferences ?? []), controllerReference(owner)];
  return client.update(resource, { ...object, metadata: { ...object.metadata, ownerReferences } });
}

async function release(client: ApiClient, resource: ResourceName, object: ApiObject, owner: ApiObject): Promise<void> {
  const ownerReferences = (object.metadata.ownerReferences ?? []).filter((o) => o.uid !== owner.metadata.uid);
  await client.update(resource, { ...object, metadata: { ...object.metadata, ownerReferences } });
}
