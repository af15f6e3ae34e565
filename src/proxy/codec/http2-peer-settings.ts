import type { HpackEncoder } from './hpack-encoder.ts';
import * as h2 from './http2-frames.ts';

/** What the peer has told of itself (RFC 9113 6.5.2, RFC 8441 3). Until it has, what holds for everybody. */
export class PeerSettings {
  /** It has: it has begun as RFC 9113 3.4 demands. */
  seen = false;
  /** What each stream may be sent at first. */
  initialWindow = h2.DEFAULT_WINDOW;
  maxStreams = Infinity;
  extendedConnect = false;
  readonly #isServer: boolean;
  readonly #encoder: HpackEncoder;

  /** @param isServer whether the peer is the one that was dialled. @param encoder of what it is sent */
  constructor(isServer: boolean, encoder: HpackEncoder) {
    this.#isServer = isServer;
    this.#encoder = encoder;
  }

  /**
   * @param payload of a SETTINGS frame: six bytes for each
   * @returns the error of the connection if it breaks the rules, else NO_ERROR
   */
  read(payload: Buffer): number {
    for (let i = 0; i < payload.length; i += 6) {
      const error = this.#set(payload.readUInt16BE(i), payload.readUInt32BE(i + 2));
      if (error !== h2.NO_ERROR) return error;
    }
    this.seen = true;
    return h2.NO_ERROR;
  }

  #set(identifier: number, value: number): number {
    switch (identifier) {
      case h2.SETTINGS_HEADER_TABLE_SIZE:
        this.#encoder.setMaxTable(value);
        return h2.NO_ERROR;
      case h2.SETTINGS_ENABLE_PUSH:
        return value > 1 || (value === 1 && this.#isServer) ? h2.PROTOCOL_ERROR : h2.NO_ERROR;
      case h2.SETTINGS_MAX_CONCURRENT_STREAMS:
        this.maxStreams = value;
        return h2.NO_ERROR;
      case h2.SETTINGS_INITIAL_WINDOW_SIZE:
        if (value > h2.MAX_WINDOW) return h2.FLOW_CONTROL_ERROR;
        this.initialWindow = value;
        return h2.NO_ERROR;
      case h2.SETTINGS_MAX_FRAME_SIZE:
        // We send none larger than the least that it may be: they would make others wait
        return value < h2.MAX_FRAME_BYTES || value > 2 ** 24 - 1 ? h2.PROTOCOL_ERROR : h2.NO_ERROR;
      case h2.SETTINGS_ENABLE_CONNECT_PROTOCOL:
        if (value > 1) return h2.PROTOCOL_ERROR;
        this.extendedConnect = value === 1;
        return h2.NO_ERROR;
      default:
        return h2.NO_ERROR;
    }
  }
}
