import { isObject, objectOf, stringOf, type JsonObject } from '../json.ts';

/** What the document is sent as. */
export const GNOSTIC_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** Whether a client takes it. kubectl, which validates a `List` by itself, asks with an `@`, which no media type may have. */
export function acceptsGnostic(accept: string): boolean {
  return /com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf/.test(accept);
}

/**
 * Encodes the definitions of an OpenAPI v2 document as gnostic's protobuf message `openapi.v2.Document` (google/gnostic,
 * openapiv2/OpenAPIv2.proto): what kubectl reads of it are types, references and the kinds that definitions stand for.
 */
export function gnosticDocument(document: JsonObject): Buffer {
  const definitions = Object.entries(objectOf(document['definitions']));
  const info = objectOf(document['info']);
  return Buffer.concat([
    text(1, '2.0'),
    bytes(2, Buffer.concat([text(1, stringOf(info['title'])), text(2, stringOf(info['version']))])),
    bytes(8, Buffer.alloc(0)), // paths: required by readers, empty
    bytes(9, Buffer.concat(definitions.map(([name, value]) => bytes(1, named(name, value))))),
  ]);
}

/** NamedSchema */
function named(name: string, value: unknown): Buffer {
  return Buffer.concat([text(1, name), bytes(2, schema(isObject(value) ? value : {}))]);
}

/** Schema. What only describes values more closely (patterns, bounds, defaults) is left out: the server checks it. */
function schema(value: JsonObject): Buffer {
  const parts: Buffer[] = [];
  const strings = [
    ['$ref', 1],
    ['format', 2],
    ['description', 4],
  ] as const;
  for (const [key, field] of strings) if (typeof value[key] === 'string') parts.push(text(field, value[key]));
  for (const name of Array.isArray(value['required']) ? value['required'] : []) parts.push(text(19, String(name)));
  const { additionalProperties, type, items, properties } = value;
  if (isObject(additionalProperties)) parts.push(bytes(21, bytes(1, schema(additionalProperties))));
  if (additionalProperties === true) parts.push(bytes(21, Buffer.from([2 << 3, 1])));
  if (typeof type === 'string') parts.push(bytes(22, text(1, type)));
  if (isObject(items)) parts.push(bytes(23, bytes(1, schema(items))));
  const allOf = value['allOf'];
  if (Array.isArray(allOf)) for (const one of allOf) if (isObject(one)) parts.push(bytes(24, schema(one)));
  if (isObject(properties)) {
    parts.push(bytes(25, Buffer.concat(Object.entries(properties).map(([name, one]) => bytes(1, named(name, one))))));
  }
  for (const [name, one] of Object.entries(value))
    if (name.startsWith('x-')) parts.push(bytes(31, extension(name, one)));
  return Buffer.concat(parts);
}

/** NamedAny, whose Any carries YAML, which JSON is. */
function extension(name: string, value: unknown): Buffer {
  return Buffer.concat([text(1, name), bytes(2, text(2, JSON.stringify(value)))]);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value, 'utf8'));
}

/** A length-delimited field. */
function bytes(field: number, value: Buffer): Buffer {
  return Buffer.concat([varint((field << 3) | 2), varint(value.length), value]);
}

function varint(value: number): Buffer {
  const out: number[] = [];
  for (let left = value; ; left >>>= 7) {
    if (left < 0x80) return Buffer.from([...out, left]);
    out.push((left & 0x7f) | 0x80);
  }
}
