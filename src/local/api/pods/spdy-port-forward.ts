import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { PodRef, PodStreams } from '../../pod-streams.ts';
import { bytesOf } from './channels.ts';
import { SpdyServer, type SpdyStream } from './spdy.ts';
import { noStreams } from './upgrade.ts';

/** What kubectl 1.31 and newer ask for: SPDY inside WebSocket messages. */
export const SPDY_TUNNEL = 'SPDY/3.1+portforward.k8s.io';

/** A pause of reading from the client while more than this waits to be sent to it. */
const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;

/**
 * `kubectl port-forward`: each connection is two streams with the same `requestid`, one for errors and one for data,
 * both naming the port.
 */
export async function runSpdyPortForward(
  streams: PodStreams,
  pod: PodRef,
  socket: WebSocket,
  stop: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, stop]);
  const errors = new Map<string, SpdyStream>();
  const accept = (stream: SpdyStream): void => {
    const id = stream.headers.get('requestid') ?? '';
    stream.bytes.resume(); // an error stream carries nothing from the client
    if (stream.headers.get('streamtype') === 'error') {
      errors.set(id, stream);
      return;
    }
    stream.bytes.pause();
    const errorStream = errors.get(id);
    errors.delete(id);
    void connect(streams, pod, stream, errorStream, signal);
  };
  const server = new SpdyServer((bytes) => {
    if (socket.readyState === socket.OPEN) socket.send(bytes, { binary: true });
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) socket.terminate(); // a client that takes nothing
  }, accept);
  socket.on('message', (message: unknown) => {
    server.receive(bytesOf(message)).catch(() => socket.close(1002));
  });
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  server.close();
}

async function connect(
  streams: PodStreams,
  pod: PodRef,
  { headers, bytes }: SpdyStream,
  errorStream: SpdyStream | undefined,
  signal: AbortSignal,
): Promise<void> {
  const port = Number(headers.get('port'));
  try {
    if (streams.portForward === undefined) throw noStreams();
    const connection = await streams.portForward({ ...pod, port }, signal);
    await joined(bytes, connection);
    errorStream?.bytes.end();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    errorStream?.bytes.end(`error forwarding port ${port} to pod ${pod.pod}: ${why}`);
    bytes.end();
  }
}

/** Copies both ways until the pod's side has closed. Rejects when its connection breaks. */
function joined(client: Duplex, connection: Duplex): Promise<void> {
  client.pipe(connection);
  connection.pipe(client);
  client.once('close', () => connection.destroy());
  return new Promise((resolve, reject) => {
    connection.once('error', reject);
    connection.once('close', () => {
      client.end();
      resolve();
    });
  });
}
