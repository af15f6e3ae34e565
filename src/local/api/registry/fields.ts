import type { ApiObject } from '../../api-client.ts';
import { badRequest } from '../errors.ts';
import type { Kind } from '../kinds/kind.ts';
import type { FieldTerm } from '../selectors.ts';

/** The values that field selectors of this kind see. */
export function fieldsOf(kind: Kind): (object: ApiObject) => Readonly<Record<string, string>> {
  return (object) => ({
    'metadata.name': object.metadata.name,
    'metadata.namespace': object.metadata.namespace ?? '',
    ...kind.strategy.fields?.(object),
  });
}

const PROBE: ApiObject = { apiVersion: 'v1', kind: '', metadata: { name: '' } };

/** Refuses field selectors on fields that the kind does not offer. @throws ApiError 400 */
export function checkFields(kind: Kind, terms: readonly FieldTerm[]): void {
  const known = fieldsOf(kind)({ ...PROBE, kind: kind.kind });
  for (const { field } of terms) {
    if (field in known && (kind.namespaced || field !== 'metadata.namespace')) continue;
    if (kind.strategy.fields !== undefined && kind.custom === undefined)
      throw badRequest(`field label not supported: ${field}`);
    const only = Object.keys(known).map((k) => JSON.stringify(k));
    throw badRequest(`${JSON.stringify(field)} is not a known field selector: only ${only.join(', ')}`);
  }
}
