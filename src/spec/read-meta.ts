import { type Json, present } from './json.ts';
import type { ObjectMeta, OwnerReference } from './meta.ts';

/** Reads `metadata`. A missing name is a problem; what else is missing is empty. */
export function readMeta(meta: Json): ObjectMeta {
  return present({
    name: meta.at('name').string(),
    namespace: meta.at('namespace').optionalString() ?? '',
    uid: meta.at('uid').optionalString() ?? '',
    creationTimestamp: meta.at('creationTimestamp').optionalString() ?? '',
    generation: meta.at('generation').optionalNumber() ?? 0,
    resourceVersion: meta.at('resourceVersion').optionalString() ?? '',
    labels: meta.at('labels').stringMap(),
    annotations: meta.at('annotations').stringMap(),
    ownerReferences: (meta.at('ownerReferences').items() ?? []).map(readOwner),
    deletionTimestamp: meta.at('deletionTimestamp').optionalString(),
  });
}

function readOwner(owner: Json): OwnerReference {
  return {
    apiVersion: owner.at('apiVersion').string(),
    kind: owner.at('kind').string(),
    name: owner.at('name').string(),
    uid: owner.at('uid').optionalString() ?? '',
    controller: owner.at('controller').optionalBoolean() ?? false,
  };
}
