import { http1Server } from '../../../src/proxy/codec/http1-server.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type { RequestHead, ServerStream } from '../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import { REFUSED_UPGRADE } from './origins.ts';
import { quiet, wire } from '../../proxy/codec/vectors.ts';

/** A request as somebody has understood it. */
export interface Understood {
  readonly method: string;
  readonly target: string;
  body: string;
  /** Its body has come to an end. */
  complete: boolean;
  /** It asks for a WebSocket. */
  readonly upgrade: boolean;
}

/** What Weft makes of a byte string. */
export interface Reading {
  readonly requests: readonly Understood[];
  /** Final answers that the client gets, the refusal of what is broken among them. */
  readonly answers: number;
  /** The codec has refused something and closes. */
  readonly refused: boolean;
  /** Nothing more would be taken from this connection. */
  readonly closed: boolean;
}

const timers = new TimerWheel();

/** Lets Weft's own codec read, alone: how many requests with which bodies. */
export async function readingOf(bytes: Buffer): Promise<Reading> {
  const { codec, peer } = wire();
  const requests: Understood[] = [];
  let refused = false;
  let closed = false;
  let reply = '';
  http1Server(codec, {
    limits: defaultLimits,
    timers,
    handler: (head, stream) => void requests.push(understand(head, stream)),
    onRefused: () => (refused = true),
  });
  peer.on('data', (piece: Buffer) => (reply += piece.toString('latin1')));
  peer.on('end', () => (closed = true));
  peer.write(bytes);
  await quiet();
  codec.destroy();
  peer.destroy();
  return { requests, refused, closed, answers: reply.split(/^HTTP\/1\.1 [2-5]/m).length - 1 };
}

/** Answers as the origins of this suite do. */
function understand(head: RequestHead, stream: ServerStream): Understood {
  const tunnel = head.protocol !== undefined;
  const request = { method: head.method, target: head.path, body: '', complete: false, upgrade: tunnel };
  const answer = () => {
    request.complete = true;
    stream.sendHead({ status: tunnel ? REFUSED_UPGRADE : 200, headers: [], contentLength: 0 });
    stream.sendEnd();
  };
  stream.events = {
    onData: (chunk) => void (request.body += chunk.toString('latin1')),
    onEnd: answer,
    onError() {},
    onWritable() {},
  };
  if (tunnel) answer();
  return request;
}
