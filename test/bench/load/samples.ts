/** Numbers of which only quantiles are wanted. */
export class Samples {
  #values = new Float64Array(1 << 16);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(this.#length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length++] = value;
  }

  /** 0 where there are none. */
  quantile(q: number): number {
    const sorted = this.#values.subarray(0, this.#length).sort();
    return sorted[Math.min(this.#length - 1, Math.floor(q * this.#length))] ?? 0;
  }
}
