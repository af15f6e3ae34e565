import { arrayOf, ensureObject, objectOf } from '../json.ts';
import { labelProblem } from '../registry/names.ts';
import type { Strategy } from './kind.ts';

/** A Namespace stays until its content is gone: the namespace controller then takes `kubernetes` out of spec.finalizers. */
export const namespaceStrategy: Strategy = {
  validName: labelProblem,
  defaults(object) {
    const labels = ensureObject(objectOf(object['metadata']), 'labels');
    const name = objectOf(object['metadata'])['name'];
    if (typeof name === 'string' && name !== '') labels['kubernetes.io/metadata.name'] = name;
  },
  prepareCreate(object) {
    object['spec'] = { finalizers: ['kubernetes'] };
    object['status'] = { phase: 'Active' };
  },
  prepareUpdate(object, old, _look, context) {
    if (!context.internal) object['spec'] = old['spec'];
  },
  heldOnDelete: (object) => arrayOf(objectOf(object['spec'])['finalizers']).length > 0,
  markDeleted(object) {
    object['status'] = { ...objectOf(object['status']), phase: 'Terminating' };
  },
  fields: (object) => ({ 'status.phase': String(objectOf(object['status'])['phase'] ?? '') }),
};
