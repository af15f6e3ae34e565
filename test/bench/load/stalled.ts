import { once } from 'node:events';
import { connect } from 'node:net';
import { nowMs } from './clock.ts';
import type { LoadReport, StalledLoad } from './spec.ts';

const MIB = 1 << 20;
const PIECE = Buffer.alloc(64 * 1024, 'x');

/** Uploads as fast as it is taken, for so long; the connection stays. A unit is a MiB that somebody has taken, kernels included. */
export async function stalledLoad(
  { port, seconds, bodyBytes }: StalledLoad,
  ready: () => Promise<void>,
): Promise<LoadReport> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let failures = 0;
  socket.on('error', () => {}); // 'close' follows
  socket.on('close', () => failures++);
  await once(socket, 'connect');
  await ready();
  const begun = nowMs();
  socket.write(`POST / HTTP/1.1\r\nHost: app.bench\r\nContent-Length: ${bodyBytes}\r\n\r\n`);
  let left = bodyBytes;
  const more = () => {
    while (left > 0 && !socket.destroyed) {
      const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
      left -= piece.length;
      if (!socket.write(piece)) return;
    }
  };
  socket.on('drain', more);
  more();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const units = (socket.bytesWritten - socket.writableLength) / MIB;
  const firstFailure = failures === 0 ? '' : 'the connection ended';
  const perSecond = (units * 1000) / (nowMs() - begun);
  return { units, failures, firstFailure, perSecond, p50Ms: 0, p99Ms: 0, p999Ms: 0, late99Ms: 0 };
}
