import type { ApiObject } from '../../api-client.ts';
import type { Kind, RequestContext } from '../kinds/kind.ts';

/** Writes down in managedFields what a plain write (not an apply) has changed. */
export function trackUpdate(
  _kind: Kind,
  _version: string,
  _old: ApiObject | undefined,
  object: ApiObject,
  _context: RequestContext,
  _subresource: string,
): ApiObject {
  return object;
}
