/**
 * Kubernetes quantities as the weights of split v1alpha1 are written: a whole number, or a text such as "90", "500m",
 * "1k", "1e2". Everything is exact: BigInt counts of 10^-9, the finest that Kubernetes keeps.
 */
const QUANTITY = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?$/;
const BINARY = ['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
/** Nobody weighs by more digits; keeps "1e999" from becoming a number that fills the memory. */
const MAX_LENGTH = 64;
const MAX_EXPONENT = 24;
const NANO = 1_000_000_000n;

/** The quantity in units of 10^-9, what is finer rounded up as Kubernetes does; undefined when it is none. */
export function nanosOf(written: unknown): bigint | undefined {
  if (typeof written !== 'string' && typeof written !== 'number') return undefined;
  const text = String(written);
  const found = text.length > MAX_LENGTH ? null : QUANTITY.exec(text);
  if (found === null) return undefined;
  const [, sign, digits = '', binary, decimal, exponent] = found;
  const power = decimal === undefined ? Number(exponent ?? 0) : (DECIMAL[decimal] ?? 0);
  if (Math.abs(power) > MAX_EXPONENT) return undefined;
  const [whole = '', fraction = ''] = digits.split('.');
  const factor = binary === undefined ? 1n : 1024n ** BigInt(BINARY.indexOf(binary) + 1);
  const nanos = timesTenTo(BigInt(whole + fraction) * factor, power - fraction.length + 9);
  return sign === '-' ? -nanos : nanos;
}

function timesTenTo(value: bigint, power: number): bigint {
  if (power >= 0) return value * 10n ** BigInt(power);
  const divisor = 10n ** BigInt(-power);
  return (value + divisor - 1n) / divisor;
}

/**
 * Weights as whole numbers in the same proportions, by one scale for all of them: as they are when all are whole, else in
 * thousandths, millionths or billionths (`clients.md` M3). What is no quantity, or less than nothing, weighs nothing
 * (`smi.md` S22). Where numbers get too large for JSON all are made smaller, and none becomes 0.
 */
export function wholeWeights(written: readonly unknown[]): number[] {
  const nanos = written.map((weight) => nanosOf(weight) ?? 0n).map((n) => (n < 0n ? 0n : n));
  const unit = [NANO, NANO / 1_000n, NANO / 1_000_000n].find((u) => nanos.every((n) => n % u === 0n)) ?? 1n;
  const largest = nanos.reduce((max, n) => (n > max ? n : max), 0n) / unit;
  let shrink = 1n;
  while (largest / shrink > BigInt(Number.MAX_SAFE_INTEGER) - 1n) shrink *= 10n;
  return nanos.map((n) => Number((n / unit + shrink - 1n) / shrink));
}

/** Whether a weight is written as newer versions write it. */
export function isWholeWeight(written: unknown): boolean {
  return typeof written === 'number' && Number.isInteger(written) && written >= 0 && !Object.is(written, -0);
}
