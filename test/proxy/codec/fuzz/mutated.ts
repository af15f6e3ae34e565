import fc from 'fast-check';

/** An edit: at a position (modulo the length) so many bytes are replaced by others. */
interface Edit {
  readonly at: number;
  readonly cut: number;
  readonly put: Buffer;
}

/** Seeds with a few edits: words of the language, single bytes, pieces of other seeds. Shrinks towards the seed as it is. */
export function mutated(seeds: readonly Buffer[], words: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const seed = fc.constantFrom(...seeds);
  const piece = fc.tuple(seed, fc.nat(), fc.nat(40)).map(([bytes, at, length]) => {
    const start = at % (bytes.length + 1);
    return bytes.subarray(start, start + length);
  });
  const byte = fc.integer({ min: 0, max: 255 }).map((value) => Buffer.from([value]));
  const edit: fc.Arbitrary<Edit> = fc.record({
    at: fc.nat(),
    cut: fc.oneof(fc.constant(0), fc.nat(3), fc.nat(40)),
    put: fc.oneof(fc.constantFrom(Buffer.alloc(0), ...words), byte, piece),
  });
  return fc.tuple(seed, fc.array(edit, { maxLength: 6 })).map(([bytes, edits]) => edits.reduce(apply, bytes));
}

function apply(bytes: Buffer, { at, cut, put }: Edit): Buffer {
  const start = at % (bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + cut)]);
}

/** Positions where an input is cut into pieces. */
export const positions = fc.array(fc.nat(2000), { maxLength: 12 });

export function pieces(bytes: Buffer, at: readonly number[]): Buffer[] {
  const edges = [0, ...at.map((n) => n % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
}
