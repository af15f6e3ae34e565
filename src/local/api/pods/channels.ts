import type { Readable } from 'node:stream';
import { WebSocket } from 'ws';

/** The channels of `v4.channel.k8s.io` and `v5.channel.k8s.io`: the first byte of each message. */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Sends one message on a channel; resolves when it has left this process. */
export function sendOn(socket: WebSocket, channel: number, data: Uint8Array | string): Promise<void> {
  const body = typeof data === 'string' ? Buffer.from(data) : data;
  const message = Buffer.concat([Buffer.of(channel), body]);
  return new Promise((resolve) => {
    if (socket.readyState !== WebSocket.OPEN) return resolve();
    socket.send(message, { binary: true }, () => resolve()); // a client that went away is no error of ours
  });
}

/** Copies a stream to a channel, as fast as the client takes it. */
export async function pipeTo(
  socket: WebSocket,
  channel: number,
  stream: Readable | AsyncIterable<Buffer>,
): Promise<void> {
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) await sendOn(socket, channel, chunk);
  } catch {
    // the stream was destroyed: the command was killed because its client went away
  }
}

/** Says on the error channel how it ended, and closes. */
export async function finish(socket: WebSocket, status: object): Promise<void> {
  await sendOn(socket, CHANNEL.error, JSON.stringify(status));
  socket.close(1000);
}

/** The Status of a command that ended. */
export function exitStatus(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

/** A message as bytes. */
export function bytesOf(data: unknown): Buffer {
  if (Buffer.isBuffer(data)) return data;
  if (Array.isArray(data)) return Buffer.concat(data as Buffer[]);
  return data instanceof ArrayBuffer ? Buffer.from(data) : Buffer.from(String(data));
}
