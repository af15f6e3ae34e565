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

/** A metric that somebody keeps as plain numbers and an exposition reads when it is asked. */
export interface Reading {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  /** Label values must come from bounded sets. */
  read(): readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}
