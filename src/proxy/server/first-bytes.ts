import type { Socket } from 'node:net';
import { detect } from '../codec/detect.ts';
import type { TimerWheel } from '../codec/timer-wheel.ts';
import { ignore } from '../pool/connect.ts';

/** What a connection speaks; `tcp`: anything that is not HTTP in plain text. */
export type Protocol = 'http1' | 'http2' | 'tcp';

/**
 * Looks at the first bytes of a connection. A server that speaks first lets its client wait, so when the time is over
 * the connection counts as opaque. `done` is not called for connections that are lost before.
 */
export function detectProtocol(
  socket: Socket,
  timers: TimerWheel,
  timeoutMs: number,
  done: (protocol: Protocol, first: Buffer) => void,
): void {
  readFirst(socket, timers, timeoutMs, (bytes, last) => {
    const detected = bytes.length === 0 ? 'more' : detect(bytes);
    if (detected === 'more') return last ? () => done('tcp', bytes) : undefined;
    const protocol = detected === 'http1' || detected === 'http2' ? detected : 'tcp';
    return () => done(protocol, bytes);
  });
}

/** Looks at all bytes so far; `last`: no more will come in time, or at all. Gives back what to do when it has seen enough. */
export type Judge = (bytes: Buffer, last: boolean) => (() => void) | undefined;

/**
 * Collects the first bytes of a connection until `judge` has seen enough, then stops reading and hands the socket on,
 * paused and without a reader. A lost connection is nobody's business any more.
 */
export function readFirst(socket: Socket, timers: TimerWheel, timeoutMs: number, judge: Judge): void {
  let bytes: Buffer = Buffer.alloc(0);
  const timer = timers.timer(onLast);
  timer.set(timeoutMs);
  socket.on('data', onData);
  socket.on('end', onLast);
  socket.on('close', detach);
  socket.on('error', ignore); // 'close' follows
  // A paused socket tells its end all the same.
  if (socket.readableEnded) process.nextTick(onLast);
  else socket.resume();

  function onData(chunk: Buffer): void {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    settle(judge(bytes, false));
  }
  function onLast(): void {
    settle(judge(bytes, true));
  }
  function settle(handOn: (() => void) | undefined): void {
    if (handOn === undefined) return;
    socket.pause();
    detach();
    handOn();
  }
  function detach(): void {
    timer.dispose();
    socket.removeListener('data', onData);
    socket.removeListener('end', onLast);
    socket.removeListener('close', detach);
  }
}
