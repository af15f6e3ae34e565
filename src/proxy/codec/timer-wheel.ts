/**
 * Coarse timers for thousands of connections: one interval for all, and moving a deadline is two number writes. A timer
 * never fires early, and at most two ticks late. The interval runs only while a timer is set and never keeps the process alive.
 */
export class TimerWheel {
  readonly tickMs: number;
  readonly #slots: Entry[][];
  #tick = 0;
  #size = 0;
  #started = 0;
  #interval: NodeJS.Timeout | undefined;

  constructor(tickMs = 250, slots = 256) {
    this.tickMs = tickMs;
    this.#slots = Array.from({ length: slots }, () => []);
  }

  /** Timers that are queued; a cleared one leaves when its slot comes by. */
  get size(): number {
    return this.#size;
  }

  /** A timer of this wheel, not yet set. */
  timer(onExpire: () => void): WheelTimer {
    return new WheelTimer(this, onExpire);
  }

  /** The tick at which `ms` from now have passed for certain. */
  tickAfter(ms: number): number {
    if (this.#interval === undefined) this.#start();
    return this.#tick + Math.ceil(ms / this.tickMs) + 1;
  }

  /** Queues a timer to be looked at in tick `at`. Only WheelTimer calls this. */
  insert(timer: WheelTimer, at: number): void {
    this.#put({ timer, at });
  }

  #put(entry: Entry): void {
    this.#slots[entry.at % this.#slots.length]?.push(entry);
    this.#size++;
  }

  /** Stops the interval; for shutdown. Timers that are set do not fire any more until another is set. */
  stop(): void {
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  #start(): void {
    this.#started = performance.now() - this.#tick * this.tickMs;
    this.#interval = setInterval(() => this.#advance(), this.tickMs).unref();
  }

  /** Time is read, not counted: an interval that was held up by a long turn catches up. */
  #advance(): void {
    const now = Math.floor((performance.now() - this.#started) / this.tickMs);
    while (this.#tick < now) this.#turn(++this.#tick);
    if (this.#size === 0) this.stop();
  }

  #turn(tick: number): void {
    const index = tick % this.#slots.length;
    const slot = this.#slots[index];
    if (slot === undefined || slot.length === 0) return;
    this.#slots[index] = [];
    this.#size -= slot.length;
    for (const entry of slot) {
      // The wheel comes round once more before the time of some.
      if (entry.at > tick) this.#put(entry);
      else entry.timer.visit(tick);
    }
  }
}

/** One place in a slot: whom to look at, and when. */
interface Entry {
  readonly timer: WheelTimer;
  readonly at: number;
}

/** One deadline that is set, moved and cleared many times. Make it with `TimerWheel.timer`. */
export class WheelTimer {
  readonly #wheel: TimerWheel;
  #onExpire: () => void;
  /** 0 = not set. */
  #deadline = 0;
  /** Tick in which the wheel will look at this timer; 0 = not queued. May be earlier than the deadline. */
  #visitAt = 0;

  constructor(wheel: TimerWheel, onExpire: () => void) {
    this.#wheel = wheel;
    this.#onExpire = onExpire;
  }

  /** Fires once, `ms` from now; replaces what was set before. */
  set(ms: number): void {
    const deadline = this.#wheel.tickAfter(ms);
    this.#deadline = deadline;
    if (this.#visitAt !== 0 && this.#visitAt <= deadline) return; // will be looked at in time
    // When it is queued for later already, that entry will find #visitAt changed, and be dropped.
    this.#visitAt = deadline;
    this.#wheel.insert(this, deadline);
  }

  clear(): void {
    this.#deadline = 0;
  }

  /**
   * Ends the timer for good. It stays queued until its slot comes by, which may be a while; what it would have called is let go now,
   * so that a closed connection is not kept.
   */
  dispose(): void {
    this.#deadline = 0;
    this.#onExpire = nothing;
  }

  /** Called by the wheel when its slot comes by. */
  visit(tick: number): void {
    if (this.#visitAt !== tick) return; // an entry that was overtaken by an earlier one
    this.#visitAt = 0;
    if (this.#deadline === 0) return;
    if (this.#deadline > tick) {
      this.#visitAt = this.#deadline;
      this.#wheel.insert(this, this.#deadline);
      return;
    }
    this.#deadline = 0;
    this.#onExpire();
  }
}

function nothing(): void {}
