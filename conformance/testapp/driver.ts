import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostPort } from './dial.ts';
import { askReceipts } from './control.ts';
import type { CallResult, Reply, ReplyLine, RequestLine } from './protocol.ts';
import { isSession, send } from './send.ts';
import { openSession, type Session } from './sessions.ts';

export interface DriverOptions {
  readonly proxy: HostPort | undefined;
  /** Where the app of this pod tells what it received. */
  readonly control: string;
  readonly stdin: Readable;
  readonly stdout: Writable;
}

/** Does what the lines on stdin ask, until stdin ends. Requests run side by side; replies come as they are ready. */
export async function drive({ proxy, control, stdin, stdout }: DriverOptions, signal: AbortSignal): Promise<void> {
  const handle = driver(proxy, control, signal);
  const lines = createInterface({ input: stdin, crlfDelay: Infinity });
  signal.addEventListener('abort', () => lines.close(), { once: true });
  const running = new Set<Promise<void>>();
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const work = answer(line, handle).then((reply) => {
      stdout.write(JSON.stringify(reply) + '\n');
      running.delete(work);
    });
    running.add(work);
  }
  handle.close();
  await Promise.all(running);
}

async function answer(line: string, handle: Driver): Promise<ReplyLine> {
  let n = -1;
  try {
    const request = JSON.parse(line) as RequestLine;
    n = request.n;
    return { n, ...(await handle.do(request)) };
  } catch (error) {
    return { n, failure: error instanceof Error ? error.message : String(error) };
  }
}

interface Driver {
  do(request: RequestLine): Promise<Reply>;
  close(): void;
}

function driver(proxy: HostPort | undefined, control: string, signal: AbortSignal): Driver {
  const started = new Map<string, { readonly stop: AbortController; readonly result: Promise<CallResult> }>();
  const held = new Map<string, { readonly session: Session; isGone: boolean }>();
  let keys = 0;
  const heldSession = (key: string) => {
    const found = held.get(key);
    if (found === undefined) throw new Error(`no connection is kept under ${key}`);
    return found;
  };
  const perform = async (request: RequestLine): Promise<Reply> => {
    switch (request.op) {
      case 'call':
        return { result: await send(request.call, proxy, signal) };
      case 'start': {
        const key = `load-${++keys}`;
        const stop = new AbortController();
        started.set(key, { stop, result: send(request.call, proxy, AbortSignal.any([signal, stop.signal])) });
        return { key };
      }
      case 'finish': {
        const load = started.get(request.key);
        if (load === undefined) throw new Error(`nothing was started under ${request.key}`);
        started.delete(request.key);
        load.stop.abort();
        return { result: await load.result };
      }
      case 'open': {
        const session = await openSession(request.call, proxy);
        if (!isSession(session)) return { answer: session };
        const key = `connection-${++keys}`;
        const entry = { session, isGone: false };
        void session.gone.then(() => (entry.isGone = true));
        held.set(key, entry);
        return { key, answer: await session.ask() };
      }
      case 'again':
        return { answer: await heldSession(request.key).session.ask() };
      case 'closed': {
        const entry = heldSession(request.key);
        await Promise.race([entry.session.gone, sleep(request.waitMs, undefined, { signal })]);
        return { closed: entry.isGone };
      }
      case 'close':
        heldSession(request.key).session.close();
        held.delete(request.key);
        return {};
      case 'seen':
        return { seen: await askReceipts(control, request.ids) };
    }
  };
  return {
    do: perform,
    close() {
      for (const { stop } of started.values()) stop.abort();
      for (const { session } of held.values()) session.close();
    },
  };
}
