import type { Exchange } from './exchange.ts';

/** Every exchange that runs. A list in which each knows its place: a Set hashes and rehashes for every request. */
export class Running {
  readonly #exchanges: Exchange[] = [];

  get size(): number {
    return this.#exchanges.length;
  }

  /** Again for one that is there: an exchange that was held for a lookup passes the stack a second time. */
  add(exchange: Exchange): void {
    if (this.#exchanges[exchange.place] === exchange) return;
    exchange.place = this.#exchanges.push(exchange) - 1;
  }

  /** The last one takes the place of the one that goes. */
  delete(exchange: Exchange): void {
    const { place } = exchange;
    if (this.#exchanges[place] !== exchange) return;
    const last = this.#exchanges.pop()!;
    exchange.place = -1;
    if (last === exchange) return;
    this.#exchanges[place] = last;
    last.place = place;
  }

  /** Those that run now, however many end meanwhile. */
  [Symbol.iterator](): Iterator<Exchange> {
    return [...this.#exchanges][Symbol.iterator]();
  }
}
