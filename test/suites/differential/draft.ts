import type { Random } from '../../../src/base/random.ts';

/** A request before it becomes bytes: every part can be bent by itself. */
export interface Draft {
  method: string;
  target: string;
  version: string;
  /** Raw header lines without their ends. */
  lines: string[];
  /** What ends each line of the head; index 0 is the request line's, the last one the empty line's. */
  ends: Map<number, string>;
  body: string;
}

export const HOST = 'app.bench';

/** Random choices with names. */
export class Dice {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  oneOf<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  chance(p: number): boolean {
    return this.#random() < p;
  }
}

/** Bends a draft into one known shape of ambiguity. */
export type Shape = (draft: Draft, dice: Dice) => void;
