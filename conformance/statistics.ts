/**
 * How traffic shares are judged. A weight p over n independent requests gives a binomial count; a band [low, high]
 * leaves at most `alpha` of that distribution outside. The promise is made for the whole run: with every split right,
 * a run raises a false alarm at most once in 1000 (`RUN_FALSE_ALARM`), whatever the number of bands.
 */
export const RUN_FALSE_ALARM = 0.001;

/** How much larger the one repetition of an outlier is. */
export const RESAMPLE_FACTOR = 4;

export interface Band {
  /** Smallest and largest count that is no alarm. */
  readonly low: number;
  readonly high: number;
}

/** The false-alarm rate of each of `bands` bands that together keep `RUN_FALSE_ALARM` (Sidak). */
export function alphaPerBand(bands: number, total = RUN_FALSE_ALARM): number {
  return -Math.expm1(Math.log1p(-total) / Math.max(1, bands));
}

/** Narrowest band of counts that keeps at most `alpha`/2 of Binomial(n, p) beyond either end. Exact, no approximation. */
export function binomialBand(n: number, p: number, alpha: number): Band {
  if (p <= 0) return { low: 0, high: 0 };
  if (p >= 1) return { low: n, high: n };
  const probability = binomial(n, p);
  let low = 0;
  for (let tail = probability(0); tail <= alpha / 2; tail += probability(low)) low++;
  let high = n;
  for (let tail = probability(n); tail <= alpha / 2; tail += probability(high)) high--;
  return { low, high };
}

export function within(count: number, { low, high }: Band): boolean {
  return count >= low && count <= high;
}

/** The probability of k successes, for every k from 0 to n. */
export function binomial(n: number, p: number): (k: number) => number {
  const logFactorial = new Float64Array(n + 1);
  for (let k = 1; k <= n; k++) logFactorial[k] = (logFactorial[k - 1] ?? 0) + Math.log(k);
  const at = (k: number) => logFactorial[k] ?? 0;
  const logP = Math.log(p);
  const logQ = Math.log1p(-p);
  return (k) => Math.exp(at(n) - at(k) - at(n - k) + k * logP + (n - k) * logQ);
}

/** One look at a split: how the requests of one sample fell on the backends. */
export interface Sample {
  readonly requests: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly bands: Readonly<Record<string, Band>>;
  /** Backends whose count is outside its band, and answers of backends that have no weight. */
  readonly outliers: readonly string[];
}

/** Compares counts with relative weights. A backend without weight must get nothing; an unlisted one counts as such. */
export function judgeSample(
  weights: Readonly<Record<string, number>>,
  counts: Readonly<Record<string, number>>,
  alpha: number,
): Sample {
  const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
  const requests = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const names = [...new Set([...Object.keys(weights), ...Object.keys(counts)])];
  const bands = Object.fromEntries(
    names.map((name) => [name, binomialBand(requests, total === 0 ? 0 : (weights[name] ?? 0) / total, alpha)]),
  );
  const outside = (name: string) => !within(counts[name] ?? 0, bands[name] ?? { low: 0, high: 0 });
  const outliers = requests === 0 ? names : names.filter(outside); // nothing sent proves nothing
  return { requests, counts, bands, outliers };
}
