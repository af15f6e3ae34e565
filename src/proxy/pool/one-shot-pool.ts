import { type Member, Roster } from '../../base/roster.ts';
import type { ClientConnection } from '../codec/stream.ts';
import { ProxyError } from '../error.ts';
import { cancelledError, type Dial, type Pool, type PoolState, type Waiter } from './pool.ts';
import { RetryBudget } from './retry-budget.ts';

interface Open extends Member {
  readonly connection: ClientConnection;
}

/** A new connection for everybody: raw TCP cannot share. Same face as the pools that keep connections. */
export class OneShotPool implements Pool {
  readonly #name: string;
  readonly #dial: Dial;
  readonly #maxConnections: number;
  readonly #open = new Roster<Open>();
  readonly retries = new RetryBudget();
  closed = false;
  #dialling = 0;
  #dialled = 0;
  #failed = 0;

  constructor(name: string, dial: Dial, maxConnections: number) {
    this.#name = name;
    this.#dial = dial;
    this.#maxConnections = maxConnections;
  }

  take(waiter: Waiter): void {
    if (this.#open.size + this.#dialling >= this.#maxConnections) {
      return waiter.onNoConnection(
        new ProxyError('OVERLOADED', `${this.#name} has ${this.#maxConnections} connections`),
      );
    }
    this.#dialling++;
    this.#dial((result) => {
      this.#dialling--;
      if (result instanceof ProxyError) {
        this.#failed++;
        return waiter.onNoConnection(result);
      }
      this.#dialled++;
      if (waiter.cancelled) {
        result.destroy();
        return waiter.onNoConnection(cancelledError());
      }
      const entry = this.#open.add({ connection: result, place: -1 });
      result.onChange = () => this.#open.delete(entry); // called when the socket is closed
      waiter.onConnection(result);
    });
  }

  forsaken(): void {} // each dial is somebody's own
  sweep(): void {}
  renew(): void {}
  close(): void {
    this.closed = true;
  }

  destroy(): void {
    for (const { connection } of this.#open) connection.destroy();
  }

  get empty(): boolean {
    return this.#open.size + this.#dialling === 0;
  }

  describe(): PoolState {
    const connections = this.#open.size;
    return {
      name: this.#name,
      kind: 'tcp',
      connections,
      active: connections,
      waiting: this.#dialling,
      dialled: this.#dialled,
      failed: this.#failed,
      retries: this.retries.used,
      retriesRefused: this.retries.refused,
    };
  }
}
