import { readFileSync } from 'node:fs';
import { badRequest, unsupportedMediaType } from '../errors.ts';
import { ensureObject, type JsonObject, stringOf } from '../json.ts';
import { type WireField, wireFields } from './reader.ts';

/**
 * JSON name, type and flags of a field. Flags: `p` pointer (a zero value was really given), `r` list, `m` map, `i` inlined
 * into its parent, `z` printed even when zero.
 */
type FieldRow = readonly [name: string, type: string, flags?: string];

interface Table {
  /** `apps/v1/Deployment` -> message name. */
  readonly kinds: Readonly<Record<string, string>>;
  readonly messages: Readonly<Record<string, Readonly<Record<string, FieldRow>>>>;
}

/** Reads built-in objects that clients send as protobuf (`kubectl create deployment`, controller-runtime). */
export type ProtobufDecoder = (body: Uint8Array) => JsonObject;

/**
 * The decoder, with field numbers taken from the Go types of Kubernetes 1.35 (protobuf-1.35.json: name, number, pointer
 * and omitempty of each field). Answers are always JSON, which every client accepts beside protobuf.
 */
export function protobufDecoder(): ProtobufDecoder {
  let table: Table | undefined; // read when the first protobuf body comes: most sessions never see one
  return (body) => {
    table ??= JSON.parse(readFileSync(new URL('../schema/protobuf-1.35.json', import.meta.url), 'utf8')) as Table;
    try {
      return decodeBody(table, body);
    } catch (error) {
      if (error instanceof RangeError) throw badRequest(error.message);
      throw error;
    }
  };
}

const MAGIC = [0x6b, 0x38, 0x73, 0x00]; // "k8s\0"

function decodeBody(table: Table, body: Uint8Array): JsonObject {
  if (!MAGIC.every((b, i) => body[i] === b))
    throw badRequest('the body does not begin with the magic number of Kubernetes protobuf');
  let type: JsonObject = {};
  let raw: Uint8Array = new Uint8Array(0);
  for (const field of wireFields(body.subarray(4))) {
    if (field.number === 1) type = typeMeta(field.bytes);
    if (field.number === 2) raw = field.bytes;
  }
  const [apiVersion, kind] = [stringOf(type['apiVersion']), stringOf(type['kind'])];
  const message = kind === 'DeleteOptions' ? 'meta/v1.DeleteOptions' : table.kinds[`${apiVersion}/${kind}`];
  if (message === undefined)
    throw unsupportedMediaType(`${kind} of ${apiVersion} cannot be sent as protobuf here: send JSON`);
  return { apiVersion, kind, ...decodeMessage(table, message, raw) };
}

function typeMeta(bytes: Uint8Array): JsonObject {
  const out: JsonObject = {};
  for (const { number, bytes: text } of wireFields(bytes)) out[number === 1 ? 'apiVersion' : 'kind'] = utf8(text);
  return out;
}

function decodeMessage(table: Table, message: string, bytes: Uint8Array): JsonObject {
  const rows = table.messages[message] ?? {};
  const out: JsonObject = {};
  for (const field of wireFields(bytes)) {
    const row = rows[field.number];
    if (row === undefined) continue; // newer than we are
    const [name, type, flags = ''] = row;
    if (flags.includes('i')) Object.assign(out, decodeMessage(table, type, field.bytes));
    else if (flags.includes('m')) addEntry(table, ensureObject(out, name), type, field.bytes);
    else {
      const value = decodeValue(table, type, field);
      if (flags.includes('r')) addItems(out, name, type, field, value);
      else if (value !== undefined && (flags !== '' || !isZero(value))) out[name] = value;
    }
  }
  return out;
}

/** Numbers of a list may be packed into one field. */
function addItems(out: JsonObject, name: string, type: string, field: WireField, value: unknown): void {
  const list = Array.isArray(out[name]) ? (out[name] as unknown[]) : [];
  out[name] = list;
  if (type === 'int' && field.bytes.length > 0) list.push(...packed(field.bytes));
  else list.push(value);
}

function packed(bytes: Uint8Array): number[] {
  const prefixed = [...bytes].reduce<number[][]>((all, byte) => {
    const last = all.at(-1);
    if (last === undefined || (last.at(-1) ?? 0) < 0x80) all.push([byte]);
    else last.push(byte);
    return all;
  }, []);
  return prefixed.map((group) =>
    Number(group.reduce((value, byte, i) => value | (BigInt(byte & 0x7f) << BigInt(7 * i)), 0n)),
  );
}

function addEntry(table: Table, map: JsonObject, type: string, bytes: Uint8Array): void {
  let key = '';
  let value: unknown = type === 'string' ? '' : undefined;
  for (const field of wireFields(bytes)) {
    if (field.number === 1) key = utf8(field.bytes);
    if (field.number === 2) value = decodeValue(table, type, field);
  }
  if (key !== '__proto__') map[key] = value;
}

function decodeValue(table: Table, type: string, { value, bytes }: WireField): unknown {
  switch (type) {
    case 'string':
      return utf8(bytes);
    case 'bytes':
      return Buffer.from(bytes).toString('base64');
    case 'bool':
      return value !== 0n;
    case 'int':
      return Number(value);
    case 'double':
      return new Float64Array(new BigUint64Array([value]).buffer)[0];
    case 'time':
      return time(bytes);
    case 'duration':
      return `${Number([...wireFields(bytes)][0]?.value ?? 0n) / 1e9}s`;
    case 'quantity':
      return utf8([...wireFields(bytes)].find((f) => f.number === 1)?.bytes ?? new Uint8Array(0));
    case 'raw':
      return rawJson([...wireFields(bytes)].find((f) => f.number === 1)?.bytes);
    case 'intstr':
      return intOrString(bytes);
    default: {
      const message = decodeMessage(table, type, bytes);
      return type.endsWith('.ExtraValue') ? (message['items'] ?? []) : message;
    }
  }
}

/** The zero time of Go is an empty message: no time at all. */
function time(bytes: Uint8Array): string | undefined {
  const fields = [...wireFields(bytes)];
  if (fields.length === 0) return undefined;
  const seconds = Number(fields.find((f) => f.number === 1)?.value ?? 0n);
  const nanos = Number(fields.find((f) => f.number === 2)?.value ?? 0n);
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19);
  return nanos === 0 ? `${whole}Z` : `${whole}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

function intOrString(bytes: Uint8Array): number | string {
  const fields = [...wireFields(bytes)];
  const isText = (fields.find((f) => f.number === 1)?.value ?? 0n) === 1n;
  if (isText) return utf8(fields.find((f) => f.number === 3)?.bytes ?? new Uint8Array(0));
  return Number(fields.find((f) => f.number === 2)?.value ?? 0n);
}

function rawJson(bytes: Uint8Array | undefined): unknown {
  if (bytes === undefined || bytes.length === 0) return undefined;
  try {
    return JSON.parse(utf8(bytes)) as unknown;
  } catch {
    throw badRequest('the body embeds an object that is no JSON');
  }
}

function isZero(value: unknown): boolean {
  return value === '' || value === 0 || value === false;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}
