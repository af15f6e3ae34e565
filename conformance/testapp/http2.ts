import { connect, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { authorityOf } from './dial.ts';
import { answerOf } from './http1.ts';
import { grpcMessage, SERVED_BY, TEST_ID, type Answer, type Call } from './protocol.ts';
import type { Session } from './sessions.ts';
import { WireError } from './wire.ts';

type Ask = (call: Call, exchange: () => Promise<Answer>, giveUp: () => void) => Promise<Answer>;

/** HTTP/2 with prior knowledge over a socket that is connected already; gRPC is a POST with one message. */
export function openHttp2(call: Call, socket: Socket, ask: Ask): Session {
  const session = connect(`http://${call.authority ?? authorityOf(call)}`, { createConnection: () => socket });
  session.on('error', () => undefined); // every stream of the session reports it too
  const gone = once(session, 'close').then(
    () => undefined,
    () => undefined,
  );
  return {
    ask: (path) =>
      ask(
        call,
        () => exchange(session, path === undefined ? call : { ...call, path }),
        () => session.destroy(),
      ),
    get usable() {
      return !session.closed && !session.destroyed;
    },
    gone,
    close: () => session.destroy(),
  };
}

/** The gRPC status of a call that nobody gave one. */
const UNKNOWN = 2;

function exchange(session: ClientHttp2Session, call: Call): Promise<Answer> {
  const grpc = call.protocol === 'grpc';
  return new Promise((resolve, reject) => {
    const stream = session.request(requestHeaders(call), { endStream: !grpc });
    const got: { status?: number; reason?: string; by?: string; grpc?: number } = {};
    const note = (headers: Record<string, unknown>) => {
      const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined);
      if (headers[':status'] !== undefined) got.status = Number(headers[':status']);
      got.reason ??= text('x-weft-reason')!;
      got.by ??= text(SERVED_BY)!;
      if (text('grpc-status') !== undefined) got.grpc = Number(text('grpc-status'));
    };
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('error', reject);
    stream.on('close', () => {
      if (got.status === undefined) return reject(new WireError('closed', 'the stream ended without a response'));
      if (grpc && got.status === 200) got.grpc ??= UNKNOWN; // what gRPC's clients make of a reply without a status
      resolve(answerOf(got.status, got.reason, got.by, got.grpc));
    });
    stream.resume();
    if (grpc) stream.end(grpcMessage(Buffer.from(call.id)));
  });
}

function requestHeaders(call: Call): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    ':method': call.method ?? (call.protocol === 'grpc' ? 'POST' : 'GET'),
    ':path': call.path ?? '/',
    [TEST_ID]: call.id,
  };
  if (call.protocol === 'grpc') Object.assign(headers, { 'content-type': 'application/grpc', te: 'trailers' });
  for (const [name, value] of call.headers ?? []) {
    const before = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = before === undefined ? value : [before, value].flat().map(String);
  }
  return headers;
}
