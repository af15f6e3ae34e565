import type { Socket } from 'node:net';
import type { ProxyError } from '../error.ts';

/**
 * Flat list of header fields: name, value, name, value... Names are lower case, values have no leading or trailing
 * white space, both are checked for forbidden bytes by whoever made the list (RFC 9110 5.5). Strings are latin1.
 * Once a list is part of a head nobody changes it: heads that say the same share one. Who wants another makes another.
 */
export type Headers = string[];

/** Head of a request, the same for HTTP/1.1 and HTTP/2. Hop-by-hop fields are already gone. */
export interface RequestHead {
  method: string;
  /** Origin-form target with query, as the client sent it: `/a?b`; `*` for OPTIONS; empty for CONNECT. */
  path: string;
  /** Host, or :authority, or the authority of an absolute-form target (which wins over Host). */
  authority: string;
  scheme: 'http' | 'https';
  /**
   * Everything but the pseudo-headers, Host and hop-by-hop fields. `content-length` stays in the list as the peer sent
   * it, for matching; on the way out the codec writes `contentLength` and ignores the entry, so a filter that changes
   * the body changes `contentLength` only.
   */
  headers: Headers;
  /** What the peer spoke: restored for the app at the far end. */
  version: '1.0' | '1.1' | '2';
  /**
   * Extended CONNECT (RFC 8441) or HTTP/1.1 Upgrade: the token, `websocket`. Only set for a tunnel to be. `method` is
   * `GET` for a WebSocket on both framings, so that policy sees the same; the codec writes what the framing wants.
   */
  protocol: string | undefined;
  /**
   * Authority of an absolute-form or CONNECT target where it names the destination (explicit proxy listeners); else
   * undefined. `authority` is then the Host field, the virtual host.
   */
  destination: string | undefined;
  /** Body length in bytes; 0 = no body; -1 = unknown (chunked, or HTTP/2 without content-length). */
  contentLength: number;
  /** Fields that are sent behind `headers`: what the mesh itself has to say on this hop. */
  hop?: Headers | undefined;
  /** The very list `headers` comes again with heads that say the same: what is made of it is worth keeping. */
  recurring?: boolean;
}

/** Head of a response. `status` 1xx are informational and go through `sendInformational`. */
export interface ResponseHead {
  status: number;
  headers: Headers;
  /**
   * As in RequestHead; 0 for HEAD, 204 and 304, where `headers` may hold a `content-length` that says what it would
   * have been, and which is passed on.
   */
  contentLength: number;
  /** As in RequestHead. */
  recurring?: boolean;
}

/**
 * One exchange on one hop: a request and its response. Both ends of both codecs look like this, so that forwarding is
 * joining two streams, and a raw TCP tunnel (CONNECT) is a stream whose data is the connection's bytes.
 *
 * Rules: `send*` in the order head, data*, end. After `reset`, or after `onError`, nothing more is sent or heard.
 * `sendData` has copied or written the chunk when it returns; it returns false when the buffer is above its mark: stop until `onWritable`. `pause` is exact: from then on there is
 * neither `onData` nor `onEnd` until some time after `resume`, never inside of it, so a handler that has to wait for its upstream
 * pauses and listens for `onError` only. The codec stops reading the peer (HTTP/1.1) or opening the window (HTTP/2).
 */
export interface HttpStream {
  /** Who listens. Set synchronously when the stream is handed over, before any event; may be replaced later. */
  events: StreamEvents;
  sendData(chunk: Buffer): boolean;
  /** Ends this direction. `trailers` are sent where the framing has them. */
  sendEnd(trailers?: Headers): void;
  /** Ends both directions at once, telling the peer (RST_STREAM, or closing the HTTP/1.1 connection). */
  reset(error: ProxyError): void;
  pause(): void;
  resume(): void;
}

/** What an HTTP/1.1 connection was before a tunnel was agreed on it. */
export interface TakenSocket {
  readonly socket: Socket;
  /** Bytes that the peer sent behind the head, already read from the socket. May be empty. */
  readonly firstBytes: Buffer;
}

export interface StreamEvents {
  /** `chunk` is only lent: whoever needs it after this call copies it (`SocketReader`). */
  onData(chunk: Buffer): void;
  /** The peer's direction ended well. */
  onEnd(trailers: Headers | undefined): void;
  /** The stream is gone: reset by the peer, broken framing, lost connection. Always the last event. */
  onError(error: ProxyError): void;
  /** The buffer of `sendData` is below its mark again. */
  onWritable(): void;
}

/** The side that received the request. */
export interface ServerStream extends HttpStream {
  /** 100 and 103; 101 is sent by `sendHead` of an upgraded HTTP/1.1 stream. */
  sendInformational(head: ResponseHead): void;
  /** A final head. For `head.protocol` requests a 2xx here means: tunnel from now on (101 on HTTP/1.1). */
  sendHead(head: ResponseHead): void;
  /**
   * Hands the bare socket over after `sendHead` has agreed to a CONNECT tunnel on HTTP/1.1, so that a protocol inside of
   * the tunnel can be detected and served. The codec forgets the socket: no event comes after this, `closed` resolves.
   * Undefined where there is no socket of one's own (HTTP/2) or no tunnel: then forward the stream's data.
   */
  takeSocket(): TakenSocket | undefined;
}

/** The side that sent the request. */
export interface ClientStream extends HttpStream {
  events: ClientStreamEvents;
}

export interface ClientStreamEvents extends StreamEvents {
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
}

/** What a server connection hands each request to. Must set `stream.events` before it returns. */
export type RequestHandler = (head: RequestHead, stream: ServerStream) => void;

/** One accepted connection that carries requests of an app or of a peer. */
export interface ServerConnection {
  /** Stops taking requests, lets the running ones finish, then closes (GOAWAY, or `connection: close`). */
  drain(): void;
  /** Closes now. */
  destroy(error?: Error): void;
  /** Resolves when the socket is closed. */
  readonly closed: Promise<void>;
}

/** One dialled connection that carries requests. The pool decides when to use it. */
export interface ClientConnection {
  /** Streams that can be opened right now: 0 or 1 for HTTP/1.1, up to the peer's limit for HTTP/2. */
  capacity(): number;
  readonly active: number;
  /** Sends a request. Only while `capacity()` is positive. `endStream`: no body follows. */
  open(head: RequestHead, endStream: boolean, events: ClientStreamEvents): ClientStream;
  /** Called whenever capacity may have changed, and when the connection is gone. Set by the pool. */
  onChange: () => void;
  /** True once no request can ever be opened again. */
  readonly gone: boolean;
  drain(): void;
  destroy(error?: Error): void;
}

/** Limits of one connection. Defaults with their reasons are in `limits.ts`. */
export interface CodecLimits {
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  readonly maxTargetBytes: number;
  readonly headTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** Buffered outgoing bytes above which `sendData` says false. */
  readonly highWaterBytes: number;
  /** How long the peer may neither send the body it owes nor take the bytes it is owed. Tunnels are exempt. */
  readonly stallTimeoutMs: number;
}
