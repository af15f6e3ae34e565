/*
 * The messages of grpc.testing.TestService (grpc/testing/messages.proto), as far as the interop cases use them, written and
 * read by hand: a few fields, and no library for them.
 */

export interface Message {
  /** Fields by number; repeated ones in order. */
  readonly numbers: Map<number, number>;
  readonly bytes: Map<number, Buffer[]>;
}

export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

function numberField(field: number, value: number): Buffer {
  return value === 0 ? Buffer.alloc(0) : Buffer.concat([varint(field * 8), varint(value)]);
}

function bytesField(field: number, value: Buffer): Buffer {
  return Buffer.concat([varint(field * 8 + 2), varint(value.length), value]);
}

/** Payload of so many zero bytes. */
function payload(size: number): Buffer {
  return size === 0 ? Buffer.alloc(0) : bytesField(2, Buffer.alloc(size));
}

function status({ code, message }: EchoStatus): Buffer {
  return bytesField(7, Buffer.concat([numberField(1, code), bytesField(2, Buffer.from(message, 'utf8'))]));
}

export function simpleRequest(responseSize: number, bodySize: number, echo?: EchoStatus): Buffer {
  const body = bytesField(3, payload(bodySize));
  return Buffer.concat([numberField(2, responseSize), body, echo === undefined ? Buffer.alloc(0) : status(echo)]);
}

/** SimpleResponse, StreamingOutputCallResponse and StreamingInputCallRequest: a payload in field 1. */
export function withPayload(size: number): Buffer {
  return bytesField(1, payload(size));
}

export function streamingOutputRequest(sizes: readonly number[], bodySize: number, echo?: EchoStatus): Buffer {
  const parameters = sizes.map((size) => bytesField(2, numberField(1, size)));
  const end = echo === undefined ? Buffer.alloc(0) : status(echo);
  return Buffer.concat([...parameters, bytesField(3, payload(bodySize)), end]);
}

export function aggregatedSize(size: number): Buffer {
  return numberField(1, size);
}

export function decode(bytes: Buffer): Message {
  const message: Message = { numbers: new Map(), bytes: new Map() };
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const c = bytes[at++]!;
      value += (c & 0x7f) * scale;
      if (c < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const key = next();
    const field = key >> 3;
    if ((key & 7) === 0) message.numbers.set(field, next());
    else if ((key & 7) === 2) {
      const length = next();
      message.bytes.set(field, [...(message.bytes.get(field) ?? []), bytes.subarray(at, at + length)]);
      at += length;
    } else throw new Error(`wire type ${key & 7} is not used by these messages`);
  }
  return message;
}

/** Length of the body of the payload that stands in a field. */
export function payloadSize(bytes: Buffer, field = 1): number {
  const found = decode(bytes).bytes.get(field)?.[0];
  return found === undefined ? 0 : (decode(found).bytes.get(2)?.[0]?.length ?? 0);
}

/** The status that a request asks to be answered with, and the sizes of the answers that it wants. */
export function wishes(bytes: Buffer): { sizes: number[]; size: number; status: EchoStatus | undefined } {
  const message = decode(bytes);
  const echo = message.bytes.get(7)?.[0];
  const fields = echo && decode(echo);
  return {
    size: message.numbers.get(2) ?? 0,
    sizes: (message.bytes.get(2) ?? []).map((parameters) => decode(parameters).numbers.get(1) ?? 0),
    status: fields && {
      code: fields.numbers.get(1) ?? 0,
      message: fields.bytes.get(2)?.[0]?.toString('utf8') ?? '',
    },
  };
}
