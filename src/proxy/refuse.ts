import { REASONS, type ReasonCode } from '../mesh/reasons.ts';
import type { Headers, RequestHead, ServerStream } from './codec/stream.ts';
import { ProxyError } from './error.ts';
import type { Exchange } from './exchange.ts';
import { header, REASON_HEADER } from './headers.ts';

/** Ends an exchange with a reason, before anything was answered. Raw TCP is reset (`tcp-stream.ts`). */
export function refuse(exchange: Exchange, code: ReasonCode, message: string, cause?: unknown): void {
  refuseWith(exchange, new ProxyError(code, message, { cause }));
}

/** The same with the error at hand. Does nothing when the downstream is gone already. */
export function refuseWith(exchange: Exchange, error: ProxyError): void {
  if (exchange.finished) return;
  exchange.error = error;
  exchange.stream.events = DISCARD;
  exchange.status = sendRefusal(exchange.stream, exchange.head, error);
  exchange.stream.resume(); // whatever of the body comes is thrown away; the codec bounds how much
  exchange.finish(error);
}

/** @returns the status that was sent: 200 for gRPC, whose errors are trailers */
export function sendRefusal(stream: ServerStream, head: RequestHead, error: ProxyError): number {
  const text = `${error.code}: ${error.message}`;
  if (isGrpc(head.headers)) {
    stream.sendHead({ status: 200, headers: grpcRefusal(error, text), contentLength: 0 });
    stream.sendEnd();
    return 200;
  }
  const body = Buffer.from(`weft: ${text}\n`, 'utf8');
  const headers = ['content-type', 'text/plain; charset=utf-8', REASON_HEADER, error.code];
  stream.sendHead({ status: error.status, headers, contentLength: body.length });
  if (head.method !== 'HEAD') stream.sendData(body);
  stream.sendEnd();
  return error.status;
}

export function isGrpc(headers: Headers): boolean {
  return header(headers, 'content-type')?.startsWith('application/grpc') === true;
}

/** A trailers-only answer (gRPC over HTTP/2, "Responses"): a status for gRPC's own code, a message for people. */
function grpcRefusal(error: ProxyError, text: string): Headers {
  const status = String(grpcStatusOf(REASONS[error.code].status));
  return [
    'content-type',
    'application/grpc',
    'grpc-status',
    status,
    'grpc-message',
    percentEncoded(text),
    REASON_HEADER,
    error.code,
  ];
}

const PERMISSION_DENIED = 7;
const UNIMPLEMENTED = 12;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** gRPC's own mapping of HTTP statuses (doc/http-grpc-status-mapping.md), with 500 as what it says. */
export function grpcStatusOf(status: number): number {
  if (status === 403) return PERMISSION_DENIED;
  if (status === 404 || status === 405 || status === 501) return UNIMPLEMENTED;
  return status < 502 ? INTERNAL : UNAVAILABLE;
}

/** RFC 3986 escapes for everything but printable ASCII, as grpc-message wants. */
function percentEncoded(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    out += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

function nothing(): void {}

const DISCARD = { onData: nothing, onEnd: nothing, onError: nothing, onWritable: nothing };
