import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';

/** An answer as a client reads it. */
export interface Answer {
  readonly status: number;
  /** Number under which the origin has noted the request; undefined: somebody on the way has answered. */
  readonly serial: number | undefined;
  readonly reason: string | undefined;
  /** Says that no other follows. */
  readonly last: boolean;
}

export interface Exchange {
  readonly answers: readonly Answer[];
  /** The peer closed before we did. */
  readonly closed: boolean;
  /** Bytes that are no answer, or one more than there were requests with a known method. */
  readonly rest: string;
}

/** Longest wait for an answer that never comes; a healthy one takes milliseconds. */
const PATIENCE_MS = 5_000;
const TURNS_FOR_MORE = 4;

/**
 * Sends raw bytes on one connection, piece after piece: the next one when so many answers have come.
 * @param methods of the requests in order: answers to HEAD have no body
 */
export function exchange(
  port: number,
  pieces: readonly { readonly bytes: Buffer; readonly answers: number }[],
  methods: readonly string[],
): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let text = '';
    let ended = false;
    let next = 0;
    let awaited = 0;
    let finishing = false;
    const done = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      const { answers, rest } = readAnswers(text, methods, true);
      resolve({ answers, rest, closed });
    };
    const timer = setTimeout(() => done(false), PATIENCE_MS);
    const finish = async () => {
      finishing = true;
      for (let i = 0; i < TURNS_FOR_MORE; i++) await turn();
      if (!ended) done(false);
    };
    const step = () => {
      while (!finishing && readAnswers(text, methods, false).answers.length >= awaited) {
        const piece = pieces[next++];
        if (piece === undefined) return void finish();
        socket.write(piece.bytes);
        awaited = piece.answers;
      }
    };
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      step();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      ended = true;
      done(true);
    });
    step();
  });
}

/** Reads final answers one behind the other; interim ones are left out. */
function readAnswers(text: string, methods: readonly string[], closed: boolean): { answers: Answer[]; rest: string } {
  const answers: Answer[] = [];
  let at = 0;
  while (at < text.length) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1 || !text.startsWith('HTTP/1.', at)) break;
    const head = text.slice(at, end + 2);
    const status = Number(head.slice(9, 12));
    const interim = status >= 100 && status < 200;
    const bodiless = interim || methods[answers.length] === 'HEAD' || status === 204 || status === 304;
    const length = bodiless ? 0 : bodyLength(head, text.slice(end + 4), closed);
    if (length === undefined) break;
    at = end + 4 + length;
    if (interim) continue;
    const serial = field(head, 'x-serial');
    answers.push({
      status,
      serial: serial === undefined ? undefined : Number(serial),
      reason: field(head, 'x-weft-reason'),
      last: /^connection: *close/im.test(head) || !(bodiless || /^(content-length|transfer-encoding):/im.test(head)),
    });
  }
  return { answers, rest: text.slice(at) };
}

function field(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*?) *\r$`, 'im').exec(head)?.[1];
}

/** @returns undefined while the body has not come whole */
function bodyLength(head: string, rest: string, closed: boolean): number | undefined {
  const length = field(head, 'content-length');
  if (length !== undefined) return rest.length >= Number(length) ? Number(length) : undefined;
  if (field(head, 'transfer-encoding') === undefined) return closed ? rest.length : undefined;
  for (let at = 0; ;) {
    const line = rest.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const size = parseInt(rest.slice(at, line), 16);
    at = line + 2 + size + 2;
    if (size === 0) return rest.length >= at ? at : undefined; // our origins send no trailers
  }
}
