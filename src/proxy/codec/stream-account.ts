import { FloodBudget, type FloodLimit } from './flood-budget.ts';

/** Requests that a connection may have open without an answer to one, once too many were called off. */
const UNPROVEN_STREAMS = 2;

/**
 * Requests of one connection that were answered against those that were called off: reset by the peer, or by us because it broke a rule
 * (CVE-2023-44487, CVE-2025-8671), or lost with the connection. Each has cost work here and behind us, and the peer next to nothing.
 *
 * The connection has a budget of its own, and a share in one of all connections from the same place, so that it is of no use
 * to open another. When that is used up, a connection that has been answered as often as it called off goes on as before;
 * others may begin little more than they finish.
 */
export class StreamAccount {
  readonly #own: FloodBudget;
  readonly #shared: FloodBudget | undefined;
  #answered = 0;
  #calledOff = 0;

  constructor(limit: FloodLimit, shared: FloodBudget | undefined) {
    this.#own = new FloodBudget(limit);
    this.#shared = shared;
  }

  answered(): void {
    this.#answered++;
    this.#own.earn();
    this.#shared?.earn();
  }

  /** @returns false when the peer has to be sent away */
  calledOff(): boolean {
    this.#calledOff++;
    const own = this.#own.spend();
    const shared = this.#shared === undefined || this.#shared.spend();
    return own && (shared || this.#calledOff <= this.#answered);
  }

  /** Requests that were open when the connection ended. */
  lost(open: number): void {
    this.#shared?.spend(open);
  }

  /** Whether one more request may begin beside so many that are open. */
  mayOpen(open: number): boolean {
    return this.#shared === undefined || open < UNPROVEN_STREAMS + this.#answered || !this.#shared.exhausted;
  }
}
