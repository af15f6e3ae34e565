import type { ApiObject } from '../../api-client.ts';
import type { Kind, RequestContext } from '../kinds/kind.ts';

/** Makes a draft of what a client sent: own copy, unknown fields dropped, defaults filled in. */
export function decode(kind: Kind, version: string, object: ApiObject, _context: RequestContext): ApiObject {
  return reDefault(kind, version, structuredClone(object));
}

/** Fills in defaults again, after admission has changed the object. Returns a draft. */
export function reDefault(kind: Kind, _version: string, object: ApiObject): ApiObject {
  const draft = structuredClone(object);
  kind.strategy.defaults?.(draft);
  return draft;
}
