/** Weights as routes carry them: whole numbers in the proportions that were written. */
export interface Weights {
  readonly whole: readonly number[];
  /** Indices of negative weights, which count as 0 (`smi.md` S22). */
  readonly negative: readonly number[];
  /** Whether the numbers had to be changed to make them whole. */
  readonly scaled: boolean;
}

/** Above this the sum of a few hundred weights would leave the whole numbers. */
const MAX_WEIGHT = 1_000_000_000;
/** 1 : 0.000001 still means what it says. */
const MAX_FACTOR = 1_000_000;

/** Keeps the proportions: 1 and 0.5 become 10 and 5. A positive weight never becomes 0. */
export function wholeWeights(written: readonly number[]): Weights {
  const negative = written.flatMap((weight, i) => (weight < 0 || Number.isNaN(weight) ? [i] : []));
  const clean = written.map((weight) => (weight > 0 ? Math.min(weight, Number.MAX_VALUE) : 0));
  const largest = Math.max(0, ...clean);
  if (clean.every(Number.isInteger) && largest <= MAX_WEIGHT) return { whole: clean, negative, scaled: false };
  let factor = 1;
  while (factor < MAX_FACTOR && !clean.every((weight) => isNearlyWhole(weight * factor))) factor *= 10;
  const fitting = Math.min(factor, MAX_WEIGHT / largest);
  return {
    whole: clean.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.round(weight * fitting)))),
    negative,
    scaled: true,
  };
}

/** Up to the error of one multiplication; what would round to 0 is not whole. */
function isNearlyWhole(weight: number): boolean {
  return weight === 0 || (Math.round(weight) > 0 && Math.abs(weight - Math.round(weight)) <= 1e-12 * weight);
}
