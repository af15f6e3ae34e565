import { FloodBudget } from '../codec/flood-budget.ts';
import { PEER_CALLED_OFF } from '../codec/http2-settings.ts';

/** From so many on, those of peers that are long gone are looked for. */
const MANY = 1_000;

/** What each peer may call off on all its tunnels, by its verified identity: opening another tunnel brings it nothing. */
export class PeerBudgets {
  readonly #budgets = new Map<string, FloodBudget>();
  #lookAt = MANY;

  /** @param peer its identity and pod */
  of(peer: string): FloodBudget {
    let budget = this.#budgets.get(peer);
    if (budget !== undefined) return budget;
    if (this.#budgets.size >= this.#lookAt) this.#forget();
    budget = new FloodBudget(PEER_CALLED_OFF);
    this.#budgets.set(peer, budget);
    return budget;
  }

  /** One that is at rest is as good as a new one; a tunnel that still has it goes on with it. */
  #forget(): void {
    for (const [peer, budget] of this.#budgets) if (budget.atRest) this.#budgets.delete(peer);
    this.#lookAt = Math.max(MANY, 2 * this.#budgets.size);
  }
}
