/** Pieces of memory for what is written or has to wait, by size. Most connections never say more in a turn than fits into the smallest. */
export const MEMORY_SIZES = [4 * 1024, 16 * 1024, 64 * 1024] as const;
/** Of each size so many bytes are kept for the next who needs them; what a rare burst took beyond that is left to the garbage collector. */
const MAX_FREE_BYTES = 2 * 1024 * 1024;

/**
 * One for the event loop, as the memory that is read into (`socket-reader.ts`): a connection that waits holds nothing. Left to
 * the garbage collector, 64 MB would gather before it looks.
 */
const free: Buffer[][] = MEMORY_SIZES.map(() => []);

/** @param size index into MEMORY_SIZES */
export function takeMemory(size: number): Buffer {
  return free[size]!.pop() ?? Buffer.allocUnsafeSlow(MEMORY_SIZES[size]!);
}

/** Only for memory that nobody reads any more: whoever takes it next writes into it. */
export function returnMemory(memory: Buffer): void {
  const size = MEMORY_SIZES.indexOf(memory.length as (typeof MEMORY_SIZES)[number]);
  const list = free[size]!;
  if (list.length * memory.length < MAX_FREE_BYTES) list.push(memory);
}
