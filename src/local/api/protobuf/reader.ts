/** One field as it lies on the wire. */
export interface WireField {
  readonly number: number;
  /** Varints and fixed numbers; 0 for bytes. */
  readonly value: bigint;
  /** Length-delimited content; empty for numbers. */
  readonly bytes: Uint8Array;
}

/** Reads the fields of a protobuf message. @throws RangeError when it is malformed */
export function* wireFields(bytes: Uint8Array): Iterable<WireField> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new RangeError('protobuf: the message ends within a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new RangeError('protobuf: a number has more than ten bytes');
  };
  const take = (length: number): Uint8Array => {
    if (length < 0 || at + length > bytes.length) throw new RangeError('protobuf: the message ends within a field');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Number(tag >> 3n);
    switch (Number(tag & 7n)) {
      case 0:
        yield { number, value: varint(), bytes: EMPTY };
        break;
      case 1:
        take(8);
        yield { number, value: view.getBigUint64(at - 8, true), bytes: EMPTY };
        break;
      case 2:
        yield { number, value: 0n, bytes: take(Number(varint())) };
        break;
      case 5:
        take(4);
        yield { number, value: BigInt(view.getUint32(at - 4, true)), bytes: EMPTY };
        break;
      default:
        throw new RangeError(`protobuf: unknown wire type of field ${number}`);
    }
  }
}

const EMPTY = new Uint8Array(0);
