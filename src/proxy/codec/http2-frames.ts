/** RFC 9113 4.1 and 6. */
export const FRAME_HEADER_BYTES = 9;
/** The protocol's default and ours: a large stream yields to others after every 16 KB. */
export const MAX_FRAME_BYTES = 16_384;
/** What of a large body goes into one DATA frame: with its header it fills one TLS record, so that the peer gets it whole. */
export const BULK_BYTES = MAX_FRAME_BYTES - FRAME_HEADER_BYTES;
export const DEFAULT_WINDOW = 65_535;
export const MAX_WINDOW = 2 ** 31 - 1;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PUSH_PROMISE = 5;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;

/** END_STREAM, and ACK of SETTINGS and PING. */
export const END_STREAM = 0x1;
export const ACK = 0x1;
export const END_HEADERS = 0x4;
export const PADDED = 0x8;
export const WITH_PRIORITY = 0x20;

export const SETTINGS_HEADER_TABLE_SIZE = 1;
export const SETTINGS_ENABLE_PUSH = 2;
export const SETTINGS_MAX_CONCURRENT_STREAMS = 3;
export const SETTINGS_INITIAL_WINDOW_SIZE = 4;
export const SETTINGS_MAX_FRAME_SIZE = 5;
export const SETTINGS_MAX_HEADER_LIST_SIZE = 6;
export const SETTINGS_ENABLE_CONNECT_PROTOCOL = 8;

export const NO_ERROR = 0;
export const PROTOCOL_ERROR = 1;
export const INTERNAL_ERROR = 2;
export const FLOW_CONTROL_ERROR = 3;
export const STREAM_CLOSED = 5;
export const FRAME_SIZE_ERROR = 6;
export const REFUSED_STREAM = 7;
export const CANCEL = 8;
export const COMPRESSION_ERROR = 9;
export const ENHANCE_YOUR_CALM = 11;

/** The nine bytes before a payload. */
export function frameHeader(type: number, flags: number, stream: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  writeFrameHeader(bytes, 0, type, flags, stream, length);
  return bytes;
}

/** The same, written into `bytes` from `at` on. */
export function writeFrameHeader(
  bytes: Buffer,
  at: number,
  type: number,
  flags: number,
  stream: number,
  length: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = stream >>> 24;
  bytes[at + 6] = stream >>> 16;
  bytes[at + 7] = stream >>> 8;
  bytes[at + 8] = stream;
}

/** A SETTINGS frame. @param settings identifier, value, identifier, value... */
export function settingsFrame(settings: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 3 * settings.length);
  writeFrameHeader(bytes, 0, SETTINGS, 0, 0, 3 * settings.length);
  for (let i = 0; i < settings.length; i += 2) {
    bytes.writeUInt16BE(settings[i]!, FRAME_HEADER_BYTES + 3 * i);
    bytes.writeUInt32BE(settings[i + 1]!, FRAME_HEADER_BYTES + 3 * i + 2);
  }
  return bytes;
}
