/** A number that only grows. */
export interface Counter {
  add(n: number): void;
}

/** A counter that only counts: what components use when nobody asked for metrics, and what tests read. */
export class PlainCounter implements Counter {
  value = 0;
  add(n: number): void {
    this.value += n;
  }
}
