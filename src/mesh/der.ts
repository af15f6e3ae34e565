/** One element of DER (X.690): strict, definite lengths only. Enough to read what X509Certificate does not tell. */
export interface DerNode {
  /** Identifier octet: class, constructed bit and number (below 31). */
  readonly tag: number;
  readonly content: Buffer;
  /** The element with its header. */
  readonly whole: Buffer;
}

export const DER = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
} as const;

/**
 * Reads the one element that `bytes` must consist of.
 * @throws Error when it is not DER or something follows it
 */
export function readDer(bytes: Buffer): DerNode {
  const { node, end } = readAt(bytes, 0);
  if (end !== bytes.length) throw new Error('DER: bytes after the element');
  return node;
}

/**
 * The elements inside a constructed one.
 * @throws Error when its content is not DER
 */
export function derChildren(node: DerNode): DerNode[] {
  const children: DerNode[] = [];
  for (let at = 0; at < node.content.length;) {
    const { node: child, end } = readAt(node.content, at);
    children.push(child);
    at = end;
  }
  return children;
}

/** `1.2.840.10045.4.3.2` from the content of an OBJECT IDENTIFIER. */
export function derOid(node: DerNode): string {
  if (node.tag !== DER.oid || node.content.length === 0) throw new Error('DER: no object identifier');
  const parts: number[] = [];
  let value = 0;
  for (const byte of node.content) {
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) throw new Error('DER: object identifier too large');
    if ((byte & 0x80) !== 0) continue;
    parts.push(value);
    value = 0;
  }
  const [first = 0, ...rest] = parts;
  const root = Math.min(2, Math.floor(first / 40));
  return [root, first - root * 40, ...rest].join('.');
}

function readAt(bytes: Buffer, start: number): { readonly node: DerNode; readonly end: number } {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined) throw new Error('DER: cut off');
  if ((tag & 0x1f) === 0x1f) throw new Error('DER: tag numbers above 30 are not read');
  let at = start + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new Error('DER: indefinite or oversized length');
    if (at + count > bytes.length) throw new Error('DER: cut off');
    length = bytes.readUIntBE(at, count);
    at += count;
    if (length < 0x80 || length < 256 ** (count - 1)) throw new Error('DER: length not in its shortest form');
  }
  const end = at + length;
  if (end > bytes.length) throw new Error('DER: cut off');
  return { node: { tag, content: bytes.subarray(at, end), whole: bytes.subarray(start, end) }, end };
}
