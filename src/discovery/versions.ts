import { createHash } from 'node:crypto';
import { canonicalJson } from '../base/content-hash.ts';
import type { ProxyConfig, Resource } from '../mesh/resources.ts';

/** A resource as it goes on the wire. */
export interface Encoded {
  /** Content hash, equal to `contentHash(resource)`. */
  readonly version: string;
  readonly json: string;
}

/**
 * Hashes and encodes each resource once, however many proxies get it: compile keeps the identity of what did not
 * change.
 */
export class Encoder {
  readonly #encoded = new WeakMap<Resource, Encoded>();
  readonly #configs = new WeakMap<ProxyConfig, string>();

  encode(resource: Resource): Encoded {
    let encoded = this.#encoded.get(resource);
    if (encoded === undefined) {
      const json = canonicalJson(resource);
      encoded = { version: createHash('sha256').update(json).digest('base64url').slice(0, 16), json };
      this.#encoded.set(resource, encoded);
    }
    return encoded;
  }

  /** Version of a whole configuration: the same for the same content, on every replica. */
  version(config: ProxyConfig): string {
    let version = this.#configs.get(config);
    if (version === undefined) {
      const lines = [...config].map(([key, resource]) => `${key} ${this.encode(resource).version}\n`).sort();
      version = createHash('sha256').update(lines.join('')).digest('base64url').slice(0, 16);
      this.#configs.set(config, version);
    }
    return version;
  }
}

export interface Delta {
  readonly upserts: readonly Resource[];
  readonly removed: readonly string[];
}

/** What must be sent to a proxy that has `from` so that it has `to`. */
export function delta(from: ProxyConfig, to: ProxyConfig, encoder: Encoder): Delta {
  const upserts: Resource[] = [];
  for (const [key, resource] of to) {
    const old = from.get(key);
    if (old === resource) continue;
    if (old === undefined || encoder.encode(old).version !== encoder.encode(resource).version) upserts.push(resource);
  }
  const removed: string[] = [];
  for (const key of from.keys()) if (!to.has(key)) removed.push(key);
  return { upserts, removed };
}
