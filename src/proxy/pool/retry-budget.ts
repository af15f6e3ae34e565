import { FloodBudget } from '../codec/flood-budget.ts';

/** As many streams as one connection carries, which may all be refused at once; then what a Service with hardly any traffic needs. */
const RESERVE = { burst: 250, perSecond: 10 };
/** Of the requests that are sent anyway. As Linkerd and Envoy. */
const SHARE = 0.2;

/**
 * How many of the requests to one address may be sent again. Each of them alone has a good reason to; but when all have it, a
 * server in trouble would get a multiple of its load.
 */
export class RetryBudget {
  /** So many were sent again, and so many were not because of this. */
  used = 0;
  refused = 0;
  readonly #budget: FloodBudget;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now?: () => number) {
    this.#budget = new FloodBudget(RESERVE, now);
  }

  /** Nothing is left that has to be remembered. */
  get atRest(): boolean {
    return this.#budget.atRest;
  }

  /** A request is sent for the first time. */
  earn(): void {
    this.#budget.earn(SHARE);
  }

  /**
   * @param leftBehind the server has gone, and says that it has not looked at the request: that is no trouble, and costs nothing
   * @returns whether one may be sent again
   */
  spend(leftBehind: boolean): boolean {
    if (!leftBehind && this.#budget.exhausted) {
      this.refused++;
      return false;
    }
    if (!leftBehind) this.#budget.spend();
    this.used++;
    return true;
  }
}
