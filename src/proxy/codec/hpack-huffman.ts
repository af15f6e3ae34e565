/**
 * Lengths in bits of the Huffman codes of the bytes 0 to 255 and of EOS (RFC 7541 Appendix B). The code is canonical, so
 * the lengths are the whole of it: codes of one length count up in the order of the bytes.
 */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

const EOS = 256;
const NO_SYMBOL = 0x1ff;
/** What an entry of the table says besides the next state: input may end here; input can never be valid. */
const MAY_END = 1 << 25;
const BROKEN = 1 << 26;

/**
 * Decodes four bits at a time: entry `state * 16 + bits` holds the next state (12 bits), the byte that is complete now
 * (9 bits, or NO_SYMBOL) and the flags. No code is shorter than 5 bits, so never two bytes at once.
 */
const TABLE = buildTable();

/** Bytes of one Huffman-coded string; undefined when it is broken (RFC 7541 5.2). */
export function decodeHuffman(bytes: Buffer, start: number, end: number, scratch: Buffer): string | undefined {
  let state = 0;
  let entry = MAY_END;
  let n = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    entry = TABLE[(state << 4) | (byte >> 4)]!;
    let symbol = (entry >> 12) & 0x1ff;
    if (symbol !== NO_SYMBOL) scratch[n++] = symbol;
    if ((entry & BROKEN) !== 0) return undefined;
    state = entry & 0xfff;
    entry = TABLE[(state << 4) | (byte & 15)]!;
    symbol = (entry >> 12) & 0x1ff;
    if (symbol !== NO_SYMBOL) scratch[n++] = symbol;
    if ((entry & BROKEN) !== 0) return undefined;
    state = entry & 0xfff;
  }
  return (entry & MAY_END) === 0 ? undefined : scratch.toString('latin1', 0, n);
}

/** Nodes of the code tree: children by bit, as node numbers; a leaf is `-1 - symbol`; 0 = none yet. */
function buildTree(): [number, number][] {
  const nodes: [number, number][] = [[0, 0]];
  let code = 0;
  let length = 0;
  const order = LENGTHS.map((bits, symbol) => ({ bits, symbol })).sort(
    (a, b) => a.bits - b.bits || a.symbol - b.symbol,
  );
  for (const { bits, symbol } of order) {
    code <<= bits - length;
    length = bits;
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const side = ((code >> bit) & 1) as 0 | 1;
      if (nodes[node]![side] === 0) nodes[node]![side] = nodes.push([0, 0]) - 1;
      node = nodes[node]![side];
    }
    nodes[node]![(code & 1) as 0 | 1] = -1 - symbol;
    code++;
  }
  return nodes;
}

function buildTable(): Int32Array {
  const nodes = buildTree();
  const table = new Int32Array(nodes.length * 16);
  const ends = endStates(nodes);
  for (let state = 0; state < nodes.length; state++) {
    for (let bits = 0; bits < 16; bits++) table[state * 16 + bits] = step(nodes, ends, state, bits);
  }
  return table;
}

function step(nodes: readonly [number, number][], ends: ReadonlySet<number>, state: number, bits: number): number {
  let node = state;
  let symbol = NO_SYMBOL;
  for (let bit = 3; bit >= 0; bit--) {
    const next = nodes[node]![((bits >> bit) & 1) as 0 | 1];
    if (next >= 0) {
      node = next;
      continue;
    }
    if (-1 - next === EOS) return BROKEN | (NO_SYMBOL << 12); // RFC 7541 5.2: EOS must not be sent
    symbol = -1 - next;
    node = 0;
  }
  return node | (symbol << 12) | (ends.has(node) ? MAY_END : 0);
}

/** Padding is the first bits of EOS, all ones, and shorter than a byte. */
function endStates(nodes: readonly [number, number][]): Set<number> {
  const ends = new Set([0]);
  let node = 0;
  for (let i = 0; i < 7; i++) {
    node = nodes[node]![1];
    ends.add(node);
  }
  return ends;
}
