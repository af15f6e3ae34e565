/** Milliseconds of the monotonic clock, the same in every thread. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
