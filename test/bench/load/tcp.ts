import { connect } from 'node:net';
import { nowMs } from './clock.ts';
import type { LoadReport, TcpLoad } from './spec.ts';

const MIB = 1 << 20;
const READ_BYTES = 256 * 1024;
/** What the app sends at once when it is asked to. */
const ASK = 'D';

/** Downloads on every connection at once, for so long. A unit is a MiB. */
export async function tcpLoad(
  { port, connections, seconds }: TcpLoad,
  ready: () => Promise<void>,
): Promise<LoadReport> {
  let bytes = 0;
  let failures = 0;
  let over = false;
  const sockets = Array.from({ length: connections }, () => {
    const onread = { buffer: Buffer.allocUnsafe(READ_BYTES), callback: (n: number) => ((bytes += n), true) };
    const socket = connect({ port, host: '127.0.0.1', onread });
    socket.on('error', () => {}); // 'close' follows
    socket.on('close', () => (failures += over ? 0 : 1));
    return socket;
  });
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  await ready();
  const begun = nowMs();
  for (const socket of sockets) socket.write(ASK);
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  over = true;
  const firstFailure = failures === 0 ? '' : 'a connection ended';
  const units = bytes / MIB;
  const perSecond = (units * 1000) / (nowMs() - begun);
  for (const socket of sockets) socket.destroy();
  return { units, failures, firstFailure, perSecond, p50Ms: 0, p99Ms: 0, p999Ms: 0, late99Ms: 0 };
}
