import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import type { KubernetesObject } from '../spec/meta.ts';

/** What varies in a diagnostic; `code` has its paragraph in docs/diagnostics.md. */
export type Finding = Omit<Diagnostic, 'object'>;

/** A Diagnostic about `object`. */
export function about(object: KubernetesObject, finding: Finding): Diagnostic {
  return { ...finding, object: refOf(object) };
}

/** How diagnostics name an object. */
export function refOf(object: KubernetesObject): ObjectRef {
  const { namespace, name, uid } = object.metadata;
  const { apiVersion, kind } = object;
  return uid === '' ? { apiVersion, kind, namespace, name } : { apiVersion, kind, namespace, name, uid };
}

/** `80`, `80 and 81`, `80, 81 and 82`: lists in sentences. */
export function listed(items: readonly (string | number)[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** `port 80`, `ports 80 and 81` */
export function listedPorts(ports: readonly number[]): string {
  return `port${ports.length === 1 ? '' : 's'} ${listed(ports)}`;
}
