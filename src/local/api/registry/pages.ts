import { randomBytes } from 'node:crypto';
import type { ApiObject } from '../../api-client.ts';

const TOKEN_BYTES = 18;

/** Where a listing goes on. */
export interface OpenPage {
  readonly all: readonly ApiObject[];
  readonly revision: number;
  readonly offset: number;
}

/**
 * Listings that clients have not finished. The lists are those of the store at the time (never changed afterwards), so
 * keeping them costs little; the oldest are given up beyond `max`, and clients are then told 410.
 */
export class PageBook {
  readonly #open = new Map<string, OpenPage>();
  readonly #max: number;

  constructor(max = 256) {
    this.#max = max;
  }

  /** Keeps a place; returns the `continue` token for it. */
  keep(page: OpenPage): string {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    this.#open.set(token, page);
    if (this.#open.size > this.#max) {
      const oldest = this.#open.keys().next();
      if (oldest.done !== true) this.#open.delete(oldest.value);
    }
    return token;
  }

  open(token: string): OpenPage | undefined {
    return this.#open.get(token);
  }
}

/** Whether this can have been a `continue` token: one that was given up is told apart from what never was one. */
export function isContinueToken(text: string): boolean {
  return /^[\w-]{24}$/.test(text);
}
