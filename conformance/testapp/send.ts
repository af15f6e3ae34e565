import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HostPort } from './dial.ts';
import type { Answer, Call, CallResult, Tally } from './protocol.ts';
import { openSession, type Session } from './sessions.ts';

/** Sends a call's requests and counts equal answers. Ends early, with what it has, when the signal aborts. */
export async function send(call: Call, proxy: HostPort | undefined, signal: AbortSignal): Promise<CallResult> {
  const tallies = new Map<string, { answer: Answer; count: number }>();
  // As apps do, the name is looked up once. Nothing is found now: each connection tries, and tells.
  const looksUp = proxy === undefined || call.direct === true;
  const address = looksUp
    ? await lookup(call.host).then(
        (found) => found.address,
        () => undefined,
      )
    : undefined;
  const perConnection = call.reuse === true ? Infinity : (call.perConnection ?? 1);
  let left = call.untilStopped === true ? Infinity : (call.count ?? 1);
  let begun = 0;
  let sent = 0;
  const note = (got: Answer, path: string | undefined) => {
    const answer = path === undefined ? got : { ...got, path };
    sent++;
    const key = JSON.stringify(answer);
    const tally = tallies.get(key);
    if (tally === undefined) tallies.set(key, { answer, count: 1 });
    else tally.count++;
  };
  const worker = async () => {
    let kept: Session | undefined;
    let asked = 0;
    while (left > 0 && !signal.aborted) {
      left--;
      const path = call.paths?.[begun++ % call.paths.length];
      if (kept?.usable !== true) asked = 0;
      const session = kept?.usable === true ? kept : await openSession(call, proxy, address);
      if (!isSession(session)) {
        kept = undefined;
        note(session, path);
      } else {
        note(await session.ask(path), path);
        kept = ++asked < perConnection && session.usable ? session : undefined;
        if (kept === undefined) session.close();
      }
      if (call.pauseMs !== undefined) await sleep(call.pauseMs);
    }
    kept?.close();
  };
  await Promise.all(Array.from({ length: call.concurrency ?? 1 }, worker));
  return { sent, tallies: [...tallies.values()].sort((a, b) => b.count - a.count) satisfies Tally[] };
}

export function isSession(session: Session | Answer): session is Session {
  return 'ask' in session;
}
