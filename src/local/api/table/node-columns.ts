import type { ApiObject } from '../../api-client.ts';
import { objectOf, objectsOf, stringOf } from '../json.ts';
import type { Column } from './column.ts';
import { AGE, column, orNone, spec, status } from './make-column.ts';

const ROLE = 'node-role.kubernetes.io/';

/** The columns of `kubectl get nodes`. */
export const NODE_COLUMNS: readonly Column[] = [
  column('Status', (node) => {
    const ready = objectsOf(status(node)['conditions']).find((c) => c['type'] === 'Ready');
    const state = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady';
    return spec(node)['unschedulable'] === true ? `${state},SchedulingDisabled` : state;
  }),
  column('Roles', (node) => {
    const roles = Object.keys(node.metadata.labels ?? {}).filter((l) => l.startsWith(ROLE));
    return orNone(
      roles
        .map((l) => l.slice(ROLE.length))
        .sort()
        .join(','),
    );
  }),
  AGE,
  column('Version', (node) => systemField(node, 'kubeletVersion')),
  column('wide:Internal-IP', (node) => address(node, 'InternalIP')),
  column('wide:External-IP', (node) => address(node, 'ExternalIP')),
  column('wide:OS-Image', (node) => systemField(node, 'osImage') || '<unknown>'),
  column('wide:Kernel-Version', (node) => systemField(node, 'kernelVersion') || '<unknown>'),
  column('wide:Container-Runtime', (node) => systemField(node, 'containerRuntimeVersion') || '<unknown>'),
];

function systemField(node: ApiObject, field: string): string {
  return stringOf(objectOf(status(node)['nodeInfo'])[field]);
}

function address(node: ApiObject, type: string): string {
  const found = objectsOf(status(node)['addresses']).find((a) => a['type'] === type);
  return orNone(stringOf(found?.['address']));
}
