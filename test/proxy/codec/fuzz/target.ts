/** Something that reads what strangers send. */
export interface FuzzTarget {
  readonly name: string;
  /** File of the corpus. */
  readonly corpus: string;
  readonly seeds: readonly Buffer[];
  /** Words of its language. */
  readonly words: readonly Buffer[];
  /**
   * Reads an input, whole and in pieces. @throws AssertionError when a promise is broken; anything else that it throws is a
   * fault as well
   */
  check(bytes: Buffer, cuts: readonly number[]): void | Promise<void>;
}

export function words(...list: readonly string[]): Buffer[] {
  return list.map((word) => Buffer.from(word, 'latin1'));
}
