import { isDeepStrictEqual } from 'node:util';
import { isObject, type JsonObject } from './json-object.ts';

/**
 * Annotation of an object in a newer version: what an older version says and the newer one has no field for, such as
 * the port of a TrafficTarget. Weft enforces it (`smi.md` 1.6).
 */
export const KEPT_OLDER = 'weft.dev/kept-older-fields';
/**
 * Annotation of an object as an older version shows it: what it says in newer versions, such as the `matches` of a
 * split. A client that writes the object back brings it along, so that nothing widens by passing through its hands.
 */
export const KEPT_NEWER = 'weft.dev/kept-newer-fields';

/** An object without its names, metadata and status: what a conversion is about. Plain JSON. */
export interface Facts {
  /** Everything but apiVersion, kind, metadata and status. */
  readonly content: JsonObject;
  readonly older: JsonObject;
  readonly newer: JsonObject;
}

/** Where text stays that stands in one of the annotations and was not written by a conversion. */
const FOREIGN = 'foreign';

export function factsOf(raw: JsonObject): Facts {
  const { apiVersion: _v, kind: _k, metadata, status: _s, ...content } = raw;
  const annotations = isObject(metadata) && isObject(metadata['annotations']) ? metadata['annotations'] : {};
  return { content, older: parsed(annotations[KEPT_OLDER]), newer: parsed(annotations[KEPT_NEWER]) };
}

/** What an object keeps from older versions. */
export function keptOlder(annotations: ReadonlyMap<string, string>): JsonObject {
  return parsed(annotations.get(KEPT_OLDER));
}

/** `raw` with other facts: its names, status and everything else in its metadata stay. */
export function withFacts(raw: JsonObject, apiVersion: string, facts: Facts): JsonObject {
  const { kind, metadata, status } = raw;
  return {
    apiVersion,
    ...(kind === undefined ? {} : { kind }),
    ...(metadata === undefined ? {} : { metadata: isObject(metadata) ? annotated(metadata, facts) : metadata }),
    ...facts.content,
    ...(status === undefined ? {} : { status }),
  };
}

export function sameFacts(a: Facts, b: Facts): boolean {
  return isDeepStrictEqual(a, b);
}

function annotated(metadata: JsonObject, { older, newer }: Facts): JsonObject {
  const { annotations, ...others } = metadata;
  if (annotations !== undefined && !isObject(annotations)) return metadata;
  const { [KEPT_OLDER]: _o, [KEPT_NEWER]: _n, ...foreign } = annotations ?? {};
  const next = {
    ...foreign,
    ...(Object.keys(older).length === 0 ? {} : { [KEPT_OLDER]: written(older) }),
    ...(Object.keys(newer).length === 0 ? {} : { [KEPT_NEWER]: written(newer) }),
  };
  const untouched = annotations !== undefined && Object.keys(annotations).length === 0;
  return Object.keys(next).length === 0 && !untouched ? others : { ...others, annotations: next };
}

function parsed(text: unknown): JsonObject {
  if (text === undefined) return {};
  try {
    const value: unknown = typeof text === 'string' ? JSON.parse(text) : undefined;
    if (isObject(value) && JSON.stringify(value) === text) return value;
  } catch {
    // somebody else's text: it is kept as it is
  }
  return { [FOREIGN]: text };
}

function written(kept: JsonObject): unknown {
  const keys = Object.keys(kept);
  return keys.length === 1 && keys[0] === FOREIGN ? kept[FOREIGN] : JSON.stringify(kept);
}
