import type { Duplex } from 'node:stream';

/** What the runtime asks of the agent in the mesh namespace: one JSON line per connection, answered by one. */
export type AgentRequest =
  | {
      readonly op: 'open';
      readonly id: string;
      readonly address: string;
      readonly link: string;
      readonly meshed: boolean;
      readonly skipInbound: readonly number[];
      readonly skipOutbound: readonly number[];
    }
  /** Runs shell commands in the app's mount namespace; what they say on stderr comes back as warnings. */
  | { readonly op: 'mount'; readonly id: string; readonly script: string }
  /** Runs shell commands in the mesh namespace. */
  | { readonly op: 'run'; readonly script: string }
  | { readonly op: 'close'; readonly id: string }
  /** After a good answer the connection is one to host:port, seen from the mesh namespace. */
  | { readonly op: 'connect'; readonly host: string; readonly port: number; readonly from: string }
  /** From now on a port of the gateway leads to the same port of the machine's loopback. */
  | { readonly op: 'relay'; readonly port: number };

export type AgentAnswer =
  | { readonly ok: true; readonly appPid?: number; readonly sidecarPid?: number; readonly warnings?: readonly string[] }
  | { readonly ok: false; readonly error: string };

/** First line on the agent's stdin; the end of stdin ends the agent. */
export interface AgentSettings {
  /** Unix socket on which the agent listens. */
  readonly agentSocket: string;
  /** Unix socket of the runtime that leads to the machine's loopback: a line with a port, then bytes. */
  readonly hostSocket: string;
  readonly redirect: 'nft' | 'iptables';
}

/** Longest line of the protocol. */
const MAX_LINE = 1024 * 1024;

/** Reads one line; what follows it stays in the stream. */
export function readLine(stream: Duplex): Promise<string> {
  return new Promise((resolve, reject) => {
    let text: Buffer = Buffer.alloc(0);
    const done = (error?: Error) => {
      stream.off('readable', look);
      stream.off('error', done);
      stream.off('close', closed);
      if (error !== undefined) reject(error);
    };
    const closed = () => done(new Error('closed before a whole line came'));
    const look = () => {
      for (let chunk = stream.read() as Buffer | null; chunk !== null; chunk = stream.read() as Buffer | null) {
        text = Buffer.concat([text, chunk]);
        const end = text.indexOf(10);
        if (end >= 0) {
          done();
          if (end + 1 < text.length) stream.unshift(text.subarray(end + 1));
          return resolve(text.toString('utf8', 0, end));
        }
        if (text.length > MAX_LINE) return done(new Error('line too long'));
      }
    };
    stream.on('readable', look);
    stream.once('error', done);
    stream.once('close', closed);
    look();
  });
}

/** Joins two connections: bytes and ends of each go to the other, and a broken one breaks the other. */
export function join(a: Duplex, b: Duplex): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
  }
}
