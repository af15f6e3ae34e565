import type { WebSocket } from 'ws';
import type { ExecOptions, ExecSession, PodStreams } from '../../pod-streams.ts';
import { badRequest } from '../errors.ts';
import { flag } from '../http/query.ts';
import { toApiError } from '../http/respond.ts';
import { numberOf, objectOf } from '../json.ts';
import { bytesOf, CHANNEL, exitStatus, finish, pipeTo } from './channels.ts';

/** What the query of `exec` asks for. @throws ApiError 400 */
export function execOptions(namespace: string, pod: string, query: URLSearchParams): ExecOptions {
  const container = query.get('container') ?? '';
  const command = query.getAll('command');
  if (command.length === 0) throw badRequest('you must specify at least 1 command for the container');
  return {
    namespace,
    pod,
    ...(container === '' ? {} : { container }),
    command,
    stdin: flag(query, 'stdin'),
    tty: flag(query, 'tty'),
  };
}

/** Runs a command in a pod for a connected client, until it ends or the client goes. */
export async function runExec(
  streams: PodStreams,
  options: ExecOptions,
  socket: WebSocket,
  stop: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const early: unknown[] = []; // clients send input before the command is there
  const keep = (data: unknown) => void early.push(data);
  socket.on('message', keep);
  try {
    const session = await streams.exec(options, AbortSignal.any([gone.signal, stop]));
    socket.off('message', keep);
    session.stdin.on('error', () => undefined); // the command closed its input: what is still sent is dropped
    for (const data of early) receive(socket, session, bytesOf(data));
    socket.on('message', (data: unknown) => receive(socket, session, bytesOf(data)));
    const output = Promise.all([
      pipeTo(socket, CHANNEL.stdout, session.stdout),
      pipeTo(socket, CHANNEL.stderr, session.stderr),
    ]);
    const { code } = await session.exit;
    await output;
    await finish(socket, exitStatus(code));
  } catch (error) {
    await finish(socket, toApiError(error).status());
  }
}

function receive(socket: WebSocket, session: ExecSession, message: Buffer): void {
  const body = message.subarray(1);
  switch (message[0]) {
    case CHANNEL.stdin:
      if (body.length > 0 && !session.stdin.write(body)) {
        socket.pause();
        session.stdin.once('drain', () => socket.resume());
      }
      return;
    case CHANNEL.resize:
      resize(session, body.toString('utf8'));
      return;
    case CHANNEL.close:
      if (body[0] === CHANNEL.stdin) session.stdin.end();
      return;
    default:
      return; // a channel of a later protocol
  }
}

function resize(session: ExecSession, text: string): void {
  try {
    const { Width, Height } = objectOf(JSON.parse(text));
    session.resize(numberOf(Width), numberOf(Height));
  } catch {
    // a size that does not parse leaves the terminal as it is
  }
}

/** `kubectl attach`: shows what the container prints from now on. Its input belongs to nobody here. */
export async function runAttach(
  streams: PodStreams,
  { namespace, pod, query, nowMs }: { namespace: string; pod: string; query: URLSearchParams; nowMs: number },
  socket: WebSocket,
  stop: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const container = query.get('container') ?? '';
  const options = { namespace, pod, follow: true, sinceMs: nowMs, ...(container === '' ? {} : { container }) };
  try {
    const signal = AbortSignal.any([gone.signal, stop]);
    for await (const chunk of streams.logs(options, signal)) await pipeTo(socket, CHANNEL.stdout, once(chunk));
    await finish(socket, exitStatus(0));
  } catch (error) {
    await finish(socket, toApiError(error).status());
  }
}

async function* once(chunk: Buffer): AsyncIterable<Buffer> {
  yield await Promise.resolve(chunk);
}
