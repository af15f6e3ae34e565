import type { Clock } from '../../base/clock.ts';
import { jittered, type Random } from '../../base/random.ts';
import { type Member, Roster } from '../../base/roster.ts';
import type { ClientConnection } from '../codec/stream.ts';
import { ProxyError } from '../error.ts';
import { cancelledError, type Dial, type Pool, type PoolState, type Waiter } from './pool.ts';
import { RetryBudget } from './retry-budget.ts';

export interface ConnectionPoolOptions {
  readonly name: string;
  readonly kind: PoolState['kind'];
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  readonly maxConnections: number;
  /** Streams on every connection above which another connection is dialled, while there may be more. */
  readonly streamsPerConnection: number;
  readonly maxWaiters: number;
  readonly waitTimeoutMs: number;
  readonly idleMs: number;
  readonly maxAgeMs: number;
}

interface Entry extends Member {
  readonly connection: ClientConnection;
  readonly expiresAt: number;
  /** Since when nothing runs on it, to the sweep before; 0 while something does. */
  idleSince: number;
  /** Whether it stands on the stack of connections with room. */
  offered: boolean;
  /** Whether it is one of the pool's. */
  kept: boolean;
}

/**
 * Connections to one address, exclusive (HTTP/1.1) or shared (HTTP/2). Those with room stand on a stack, so that the
 * busiest stay warm and the rest grow idle and go. Whoever finds none waits in line while one is dialled.
 */
export class ConnectionPool implements Pool {
  readonly retries = new RetryBudget();
  closed = false;
  readonly #options: ConnectionPoolOptions;
  readonly #entries = new Roster<Entry>();
  /** Drained ones: running streams finish, nothing new starts. */
  readonly #retired = new Roster<Entry>();
  #roomy: Entry[] = [];
  #waiters: { readonly waiter: Waiter; readonly until: number }[] = [];
  /** So many of them are cancelled: no connection is dialled for them. */
  #forsaken = 0;
  #dialling = 0;
  #dialled = 0;
  #failed = 0;
  /** When it was last looked through: idle times need not be more exact than that, and a look at the clock per request is. */
  #now = 0;

  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  take(waiter: Waiter): void {
    const entry = this.#withRoom();
    if (entry !== undefined) return this.#give(entry, waiter);
    const { maxWaiters, waitTimeoutMs, clock, name } = this.#options;
    if (this.closed) return waiter.onNoConnection(new ProxyError('CONNECT_FAILED', `${name} is being removed`));
    if (this.#waiters.length - this.#forsaken >= maxWaiters) {
      return waiter.onNoConnection(new ProxyError('OVERLOADED', `${maxWaiters} requests wait for ${name} already`));
    }
    this.#waiters.push({ waiter, until: clock.now() + waitTimeoutMs });
    this.#dialMore();
  }

  forsaken(): void {
    this.#forsaken++;
    if (this.#forsaken >= this.#options.maxWaiters) this.#tellForsaken();
  }

  /** Those who have gone leave the line. */
  #tellForsaken(): void {
    if (this.#forsaken === 0) return;
    const gone = this.#waiters.filter(({ waiter }) => waiter.cancelled);
    this.#waiters = this.#waiters.filter(({ waiter }) => !waiter.cancelled);
    this.#forsaken = 0;
    for (const { waiter } of gone) waiter.onNoConnection(cancelledError());
  }

  /** The newest connection with room; also starts another one when all are busy. */
  #withRoom(): Entry | undefined {
    const roomy = this.#roomy;
    for (;;) {
      const entry = roomy[roomy.length - 1];
      if (entry === undefined) return undefined;
      if (!entry.connection.gone && entry.connection.capacity() > 0) return entry;
      entry.offered = false;
      roomy.pop();
    }
  }

  #give(entry: Entry, waiter: Waiter): void {
    const { connection } = entry;
    const { streamsPerConnection } = this.#options;
    entry.idleSince = 0;
    if (connection.capacity() <= 1 || connection.active + 1 >= streamsPerConnection) this.#withdraw(entry);
    waiter.onConnection(connection);
    this.#changed(entry);
  }

  /** Takes the entry, which is nearly always the topmost, off the stack. */
  #withdraw(entry: Entry): void {
    if (!entry.offered) return;
    entry.offered = false;
    const roomy = this.#roomy;
    if (roomy[roomy.length - 1] === entry) return void roomy.pop();
    const at = roomy.lastIndexOf(entry);
    if (at >= 0) roomy.splice(at, 1);
  }

  #changed(entry: Entry): void {
    const { connection } = entry;
    if (connection.gone) return this.#remove(entry);
    if (!entry.kept) return;
    const { streamsPerConnection, maxConnections } = this.#options;
    if (connection.active === 0 && entry.idleSince === 0) entry.idleSince = this.#now;
    if (entry.offered || connection.capacity() === 0) return;
    // Above its share a shared connection is only offered when there cannot be another one
    const full = connection.active >= streamsPerConnection;
    if (full && this.#entries.size + this.#dialling < maxConnections) return;
    entry.offered = true;
    if (full) this.#roomy.unshift(entry);
    else this.#roomy.push(entry);
    this.#serveWaiters();
  }

  #serveWaiters(): void {
    while (this.#waiters.length > 0) {
      const { waiter } = this.#waiters[0]!;
      const entry = waiter.cancelled ? undefined : this.#withRoom();
      if (entry === undefined && !waiter.cancelled) return;
      this.#waiters.shift();
      if (entry === undefined) {
        this.#forsaken--;
        waiter.onNoConnection(cancelledError());
      } else this.#give(entry, waiter);
    }
  }

  #dialMore(): void {
    const { maxConnections, streamsPerConnection } = this.#options;
    const wanted = Math.ceil((this.#waiters.length - this.#forsaken) / streamsPerConnection);
    while (this.#dialling < wanted && this.#entries.size + this.#dialling < maxConnections) {
      this.#dialling++;
      this.#options.dial((result) => {
        this.#dialling--;
        if (result instanceof ProxyError) this.#dialFailed(result);
        else this.#adopt(result);
      });
    }
  }

  #adopt(connection: ClientConnection): void {
    const { clock, random, maxAgeMs } = this.#options;
    this.#dialled++;
    if (this.closed && this.#waiters.length === 0) return connection.drain();
    this.#now = clock.now();
    const expiresAt = this.#now + jittered(maxAgeMs, 0.2, random);
    const entry: Entry = { connection, expiresAt, idleSince: this.#now, offered: false, kept: true, place: -1 };
    this.#entries.add(entry);
    connection.onChange = () => this.#changed(entry);
    this.#changed(entry);
  }

  /** One failed dial fails those who waited for it; with connections left they may get one of those instead. */
  #dialFailed(error: ProxyError): void {
    this.#failed++;
    if (this.#dialling > 0) return;
    if (this.#entries.size > 0) return this.#offerAll();
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#forsaken = 0;
    for (const { waiter } of waiters) waiter.onNoConnection(error);
  }

  /** There cannot be another connection now: those that are above their share must do. */
  #offerAll(): void {
    for (const entry of this.#entries) {
      if (entry.offered || entry.connection.capacity() === 0) continue;
      entry.offered = true;
      this.#roomy.unshift(entry);
    }
    this.#serveWaiters();
  }

  #remove(entry: Entry): void {
    if (!entry.kept) return;
    entry.kept = false;
    this.#entries.delete(entry);
    this.#withdraw(entry);
    this.#keepUntilOver(entry);
    if (this.#waiters.length > 0) this.#dialMore();
  }

  sweep(now: number): void {
    this.#now = now;
    for (const entry of this.#entries) {
      const idle = entry.idleSince !== 0 && now - entry.idleSince >= this.#options.idleMs;
      if (idle || now >= entry.expiresAt) this.#retire(entry);
    }
    this.#tellForsaken();
    const late = this.#waiters.filter(({ until }) => now >= until);
    if (late.length === 0) return;
    this.#waiters = this.#waiters.filter(({ until }) => now < until);
    const error = new ProxyError('CONNECT_TIMEOUT', `no connection to ${this.#options.name} became free in time`);
    for (const { waiter } of late) waiter.onNoConnection(error);
  }

  #retire(entry: Entry): void {
    const { connection } = entry;
    this.#remove(entry);
    connection.drain();
    connection.onChange(); // an idle connection is gone at once and says nothing
  }

  /** Gone means: nothing new. What runs on it may run on, and destroy must still find it. */
  #keepUntilOver(entry: Entry): void {
    const { connection } = entry;
    const look = () => {
      if (connection.gone && connection.active === 0) this.#retired.delete(entry);
    };
    this.#retired.add(entry);
    connection.onChange = look;
    look();
  }

  renew(): void {
    for (const entry of this.#entries) this.#retire(entry);
  }

  close(): void {
    this.closed = true;
    this.renew();
  }

  destroy(): void {
    this.closed = true;
    const entries = [...this.#entries, ...this.#retired];
    for (const { connection } of entries) connection.destroy();
    for (const entry of entries) {
      entry.kept = false;
      this.#entries.delete(entry);
      this.#retired.delete(entry);
    }
    this.#roomy = [];
  }

  get empty(): boolean {
    const idle = this.#entries.size + this.#retired.size + this.#dialling + this.#waiters.length === 0;
    return idle && this.retries.atRest;
  }

  describe(): PoolState {
    const { name, kind } = this.#options;
    const connections = [...this.#entries, ...this.#retired];
    const active = connections.reduce((sum, { connection }) => sum + connection.active, 0);
    const waiting = this.#waiters.length;
    return {
      name,
      kind,
      connections: connections.length,
      active,
      waiting,
      dialled: this.#dialled,
      failed: this.#failed,
      retries: this.retries.used,
      retriesRefused: this.retries.refused,
    };
  }
}
