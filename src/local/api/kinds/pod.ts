import type { ApiObject } from '../../api-client.ts';
import { type FieldError, forbidden } from '../errors.ts';
import { ensureObject, type JsonObject, objectOf, objectsOf, sameJson, setDefault, stringOf } from '../json.ts';
import type { Strategy } from './kind.ts';
import { defaultPodSpec } from './pod-defaults.ts';
import { podSpecErrors } from './pod-validation.ts';

/** Pods. The pod runtime writes their status; what a user may change later is little, as in Kubernetes. */
export const podStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    defaultPodSpec(spec);
    setDefault(spec, 'enableServiceLinks', true);
  },
  prepareCreate(object) {
    const spec = ensureObject(object, 'spec');
    if (stringOf(spec['serviceAccountName']) === '') spec['serviceAccountName'] = spec['serviceAccount'] = 'default';
    setDefault(spec, 'preemptionPolicy', 'PreemptLowerPriority');
    setDefault(spec, 'priority', 0);
    object['status'] = { phase: 'Pending', qosClass: qosClass(spec) };
  },
  validate: (object) => podSpecErrors(object['spec'], 'spec'),
  validateUpdate(object, old) {
    return immutableErrors(object, old);
  },
  gracePeriodSeconds(object, asked) {
    const spec = objectOf(object['spec']);
    const { phase } = objectOf(object['status']);
    // Nothing runs: nothing has to be given time to end.
    if (stringOf(spec['nodeName']) === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
    const own = spec['terminationGracePeriodSeconds'];
    return asked ?? (typeof own === 'number' ? own : 30);
  },
  fields(object) {
    const [spec, status] = [objectOf(object['spec']), objectOf(object['status'])];
    return {
      'spec.nodeName': stringOf(spec['nodeName']),
      'spec.restartPolicy': stringOf(spec['restartPolicy']),
      'spec.schedulerName': stringOf(spec['schedulerName']),
      'spec.serviceAccountName': stringOf(spec['serviceAccountName']),
      'spec.hostNetwork': String(spec['hostNetwork'] === true),
      'status.phase': stringOf(status['phase']),
      'status.podIP': stringOf(status['podIP']),
      'status.nominatedNodeName': stringOf(status['nominatedNodeName']),
    };
  },
};

const MUTABLE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function immutableErrors(object: ApiObject, old: ApiObject): FieldError[] {
  const before = objectOf(old['spec']);
  const bound = stringOf(before['nodeName']) !== '';
  const frozen = (spec: JsonObject): JsonObject => {
    const bare = structuredClone(spec);
    for (const key of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates', 'ephemeralContainers'])
      delete bare[key];
    if (!bound) delete bare['nodeName'];
    for (const list of ['containers', 'initContainers']) {
      for (const container of objectsOf(bare[list])) {
        delete container['image'];
        delete container['imagePullPolicy']; // follows the image's tag when it was not given
      }
    }
    return bare;
  };
  return sameJson(frozen(objectOf(object['spec'])), frozen(before)) ? [] : [forbidden('spec', MUTABLE)];
}

function qosClass(spec: JsonObject): string {
  const containers = [...objectsOf(spec['containers']), ...objectsOf(spec['initContainers'])];
  const resources = containers.map((c) => objectOf(c['resources']));
  if (resources.every((r) => Object.keys(r).length === 0)) return 'BestEffort';
  const guaranteed = resources.every((r) => {
    const limits = objectOf(r['limits']);
    const requests = { ...limits, ...objectOf(r['requests']) };
    return ['cpu', 'memory'].every((k) => limits[k] !== undefined && sameJson(limits[k], requests[k]));
  });
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
