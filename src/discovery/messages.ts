import type { WorkloadRef } from '../mesh/resources.ts';

/** Version of this protocol. Both ends must know it: a controller serves the one before too once there is one. */
export const PROTOCOL = 1;

/** Frames that a proxy sends. */
export type ProxyMessage = Hello | Ack | Nack | Lookup | Ping;

/** First frame of a stream. */
export interface Hello {
  readonly type: 'hello';
  readonly protocol: number;
  readonly workload: WorkloadRef;
  /** What this proxy can do (`features.ts`). */
  readonly features: readonly string[];
  /** Highest version of the mesh hop that it speaks. */
  readonly hopVersion: number;
  /** Key -> version of what it holds already, from its disk or from the stream before. */
  readonly versions: ReadonlyMap<string, string>;
}

export interface Ack {
  readonly type: 'ack';
  readonly push: number;
}

export interface Nack {
  readonly type: 'nack';
  readonly push: number;
  readonly reason: string;
}

/** Asks for a service that this proxy has no route to yet, by host name or by address. */
export interface Lookup {
  readonly type: 'lookup';
  readonly id: number;
  readonly name?: string;
  readonly address?: string;
}

/** Either side, when it has been silent for a while. Needs no answer: the other side pings too. */
export interface Ping {
  readonly type: 'ping';
}

/** Frames that a controller sends. Resources are read by `read-resource.ts`. */
export type ControllerMessage = Push | Found | Refused | Ping;

/**
 * A change, or a part of one: it counts only when the frame without `more` has come. Applied as a whole or not at all.
 */
export interface Push {
  readonly type: 'push';
  readonly push: number;
  readonly upserts: readonly { readonly version: string; readonly resource: unknown }[];
  readonly removed: readonly string[];
  readonly more: boolean;
}

/** Answer to a lookup. When `found`, what is needed has been pushed before. */
export interface Found {
  readonly type: 'found';
  readonly id: number;
  readonly found: boolean;
}

/** Last frame before the controller ends the stream. */
export interface Refused {
  readonly type: 'refused';
  readonly reason: string;
}

/** @throws Error that says what is wrong with the frame */
export function readProxyMessage(frame: unknown): ProxyMessage {
  const f = fields(frame);
  switch (f['type']) {
    case 'hello':
      return {
        type: 'hello',
        protocol: integer(f, 'protocol'),
        workload: workload(f['workload']),
        features: strings(f, 'features'),
        hopVersion: integer(f, 'hopVersion'),
        versions: new Map(Object.entries(fields(f['versions'])).map(([k, v]) => [k, String(v)])),
      };
    case 'ack':
      return { type: 'ack', push: integer(f, 'push') };
    case 'nack':
      return { type: 'nack', push: integer(f, 'push'), reason: string(f, 'reason').slice(0, 1000) };
    case 'lookup': {
      const name = f['name'] === undefined ? {} : { name: string(f, 'name').slice(0, 255) };
      const address = f['address'] === undefined ? {} : { address: string(f, 'address').slice(0, 64) };
      return { type: 'lookup', id: integer(f, 'id'), ...name, ...address };
    }
    case 'ping':
      return { type: 'ping' };
    default:
      throw new Error(`unknown frame type ${JSON.stringify(f['type'])?.slice(0, 100)}`);
  }
}

/** @throws Error that says what is wrong with the frame */
export function readControllerMessage(frame: unknown): ControllerMessage {
  const f = fields(frame);
  switch (f['type']) {
    case 'push':
      return {
        type: 'push',
        push: integer(f, 'push'),
        upserts: list(f, 'upserts').map((u) => {
          const entry = fields(u);
          return { version: string(entry, 'version'), resource: entry['resource'] };
        }),
        removed: strings(f, 'removed'),
        more: f['more'] === true,
      };
    case 'found':
      return { type: 'found', id: integer(f, 'id'), found: f['found'] === true };
    case 'refused':
      return { type: 'refused', reason: string(f, 'reason') };
    case 'ping':
      return { type: 'ping' };
    default:
      throw new Error(`unknown frame type ${JSON.stringify(f['type'])?.slice(0, 100)}`);
  }
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('an object was expected');
  return value as Fields;
}

function integer(f: Fields, name: string): number {
  const value = f[name];
  if (!Number.isSafeInteger(value)) throw new Error(`${name}: an integer was expected`);
  return value as number;
}

function string(f: Fields, name: string): string {
  const value = f[name];
  if (typeof value !== 'string') throw new Error(`${name}: a string was expected`);
  return value;
}

function list(f: Fields, name: string): readonly unknown[] {
  const value = f[name];
  if (!Array.isArray(value)) throw new Error(`${name}: a list was expected`);
  return value;
}

function strings(f: Fields, name: string): readonly string[] {
  const values = list(f, name);
  if (!values.every((v) => typeof v === 'string')) throw new Error(`${name}: strings were expected`);
  return values;
}

function workload(value: unknown): WorkloadRef {
  const f = fields(value);
  return { namespace: string(f, 'namespace'), pod: string(f, 'pod') };
}
