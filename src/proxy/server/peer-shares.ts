import { FloodBudget } from '../codec/flood-budget.ts';
import { PEER_CALLED_OFF } from '../codec/http2-settings.ts';
import type { PeerLoad } from '../exchange.ts';

/** From so many on, those of peers that are long gone are looked for. */
const MANY = 1_000;

/** What one peer does and may do here, on all its tunnels together: opening another brings it nothing. */
export class PeerShare implements PeerLoad {
  running = 0;
  readonly calledOff = new FloodBudget(PEER_CALLED_OFF);
}

/** The shares of all peers, by verified identity and pod. */
export class PeerShares {
  readonly #shares = new Map<string, PeerShare>();
  #lookAt = MANY;

  of(identity: string, pod: string | undefined): PeerShare {
    const peer = `${identity} ${pod ?? ''}`;
    let share = this.#shares.get(peer);
    if (share !== undefined) return share;
    if (this.#shares.size >= this.#lookAt) this.#forget();
    share = new PeerShare();
    this.#shares.set(peer, share);
    return share;
  }

  /** One of which nothing is left is as good as a new one; a tunnel that still has it goes on with it. */
  #forget(): void {
    for (const [peer, { running, calledOff }] of this.#shares) {
      if (running === 0 && calledOff.atRest) this.#shares.delete(peer);
    }
    this.#lookAt = Math.max(MANY, 2 * this.#shares.size);
  }
}
