/**
 * Coarse timers for thousands of connections: one interval for all, and moving a deadline is two number writes. A timer
 * never fires early, and at most two ticks late. The interval runs only while a timer is set and never keeps the process alive.
 */
export class TimerWheel {
  readonly tickMs: number;
  readonly #slots: WheelTimer[][];
  #tick = 0;
  #size = 0;
  #started = 0;
  #interval: NodeJS.Timeout | undefined;

  constructor(tickMs = 250, slots = 256) {
    this.tickMs = tickMs;
    this.#slots = Array.from({ length: slots }, () => []);
  }

  /** Timers that are queued; a cleared one leaves when its slot comes by, a disposed one at once. */
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

  /** Queues a timer to be looked at in tick `visitAt`. This and `remove` are for WheelTimer alone. */
  insert(timer: WheelTimer): void {
    timer.place = this.#slotOf(timer).push(timer) - 1;
    this.#size++;
  }

  remove(timer: WheelTimer): void {
    const slot = this.#slotOf(timer);
    const last = slot.pop()!;
    if (last !== timer) {
      slot[timer.place] = last;
      last.place = timer.place;
    }
    this.#size--;
  }

  #slotOf({ visitAt }: WheelTimer): WheelTimer[] {
    return this.#slots[visitAt % this.#slots.length]!;
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
    const slot = this.#slots[tick % this.#slots.length]!;
    if (slot.length === 0) return;
    // The wheel comes round once more before the time of the others. What one sets off may move or end another.
    const due = slot.filter((timer) => timer.visitAt === tick);
    for (const timer of due) if (timer.visitAt === tick) timer.visit(tick);
  }
}

/** One deadline that is set, moved and cleared many times. Make it with `TimerWheel.timer`. */
export class WheelTimer {
  readonly #wheel: TimerWheel;
  #onExpire: () => void;
  /** 0 = not set. */
  #deadline = 0;
  /** Tick in which the wheel will look at this timer; 0 = not queued. May be earlier than the deadline. */
  visitAt = 0;
  /** Where it is in its slot, while it is queued. */
  place = 0;

  constructor(wheel: TimerWheel, onExpire: () => void) {
    this.#wheel = wheel;
    this.#onExpire = onExpire;
  }

  /** Fires once, `ms` from now; replaces what was set before. */
  set(ms: number): void {
    if (this.#onExpire === nothing) return; // disposed
    const deadline = this.#wheel.tickAfter(ms);
    this.#deadline = deadline;
    if (this.visitAt === 0) this.#queue(deadline);
    else if (this.visitAt > deadline) {
      this.#wheel.remove(this);
      this.#queue(deadline);
    } // else it will be looked at in time
  }

  #queue(at: number): void {
    this.visitAt = at;
    this.#wheel.insert(this);
  }

  clear(): void {
    this.#deadline = 0;
  }

  /** Ends the timer for good, and leaves nothing of it behind: of connections that come and go each has one of minutes. */
  dispose(): void {
    this.#deadline = 0;
    this.#onExpire = nothing;
    this.#leave();
  }

  #leave(): void {
    if (this.visitAt === 0) return;
    this.#wheel.remove(this);
    this.visitAt = 0;
  }

  /** Called by the wheel when its slot comes by. */
  visit(tick: number): void {
    this.#leave();
    if (this.#deadline === 0) return;
    if (this.#deadline > tick) return this.#queue(this.#deadline);
    this.#deadline = 0;
    this.#onExpire();
  }
}

function nothing(): void {}
