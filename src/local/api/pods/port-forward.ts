import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { PodRef, PodStreams } from '../../pod-streams.ts';
import { noStreams } from './upgrade.ts';
import { bytesOf, pipeTo, sendOn } from './channels.ts';

/**
 * Port-forward over `v4.channel.k8s.io`: of the i-th port, channel 2i carries data and 2i+1 errors; each begins with the
 * port as two bytes, little end first.
 */
export async function runPortForward(
  streams: PodStreams,
  pod: PodRef,
  ports: readonly number[],
  socket: WebSocket,
  stop: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, stop]);
  const connections = new Map<number, Promise<Duplex | undefined>>();
  const connect = async (i: number, port: number): Promise<Duplex | undefined> => {
    try {
      if (streams.portForward === undefined) throw noStreams();
      const connection = await streams.portForward({ ...pod, port }, signal);
      connection.on('error', () => connection.destroy());
      signal.addEventListener('abort', () => connection.destroy(), { once: true });
      void pipeTo(socket, 2 * i, connection).then(() => (connections.size === 1 ? socket.close(1000) : undefined));
      return connection;
    } catch (error) {
      await sendOn(socket, 2 * i + 1, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  for (const [i, port] of ports.entries()) {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(port);
    await sendOn(socket, 2 * i, number);
    await sendOn(socket, 2 * i + 1, number);
    connections.set(i, connect(i, port));
  }
  socket.on('message', (data: unknown) => {
    const message = bytesOf(data);
    const channel = message[0] ?? 0;
    if (channel % 2 !== 0 || message.length < 2) return;
    void connections.get(channel / 2)?.then((connection) => {
      if (connection === undefined || connection.destroyed || connection.write(message.subarray(1))) return;
      socket.pause();
      connection.once('drain', () => socket.resume());
    });
  });
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
