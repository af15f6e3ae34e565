import { createInterface } from 'node:readline';
import type { ExecStreams, Kube } from './kube.ts';
import type { Answer, Call, CallResult, Reply, ReplyLine, Request, Seen } from './testapp/protocol.ts';

const DRIVER = ['weft', 'testapp', 'driver'];

/** One test pod, as the suite sees it: it sends what it is asked to, and tells what its app received. */
export class Driver {
  readonly namespace: string;
  readonly pod: string;
  readonly #kube: Kube;
  readonly #waiting = new Map<number, { resolve(reply: Reply): void; reject(error: Error): void }>();
  #session: Promise<ExecStreams> | undefined;
  #n = 0;

  constructor(kube: Kube, namespace: string, pod: string) {
    this.#kube = kube;
    this.namespace = namespace;
    this.pod = pod;
  }

  async call(call: Call): Promise<CallResult> {
    const { result } = await this.#ask({ op: 'call', call });
    return result ?? { sent: 0, tallies: [] };
  }

  /** Begins to send; the function that comes back ends it and tells how it went. */
  async start(call: Call): Promise<() => Promise<CallResult>> {
    const { key } = await this.#ask({ op: 'start', call: { ...call, untilStopped: true } });
    return async () => (await this.#ask({ op: 'finish', key: key ?? '' })).result ?? { sent: 0, tallies: [] };
  }

  /** Opens one connection that stays. */
  async open(call: Call): Promise<HeldConnection> {
    const { key, answer } = await this.#ask({ op: 'open', call });
    return {
      answer: answer ?? { error: 'no answer' },
      again: async () => (await this.#ask({ op: 'again', key: key ?? '' })).answer ?? { error: 'no answer' },
      closedWithin: async (waitMs) => (await this.#ask({ op: 'closed', key: key ?? '', waitMs })).closed === true,
      close: async () => void (await this.#ask({ op: 'close', key: key ?? '' })),
    };
  }

  /** What this pod's app received under these ids. */
  async seen(ids: readonly string[]): Promise<Readonly<Record<string, Seen>>> {
    return (await this.#ask({ op: 'seen', ids })).seen ?? {};
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    session?.stdin.end();
    session?.close();
  }

  async #ask(request: Request): Promise<Reply> {
    const { stdin } = await (this.#session ??= this.#open());
    const n = ++this.#n;
    const reply = await new Promise<Reply>((resolve, reject) => {
      this.#waiting.set(n, { resolve, reject });
      stdin.write(JSON.stringify({ n, ...request }) + '\n');
    });
    if (reply.failure !== undefined) throw new Error(`pod ${this.namespace}/${this.pod}: ${reply.failure}`);
    return reply;
  }

  async #open(): Promise<ExecStreams> {
    const end = (why: string) => {
      this.#session = undefined; // the next question starts another driver
      for (const { reject } of this.#waiting.values())
        reject(new Error(`the driver in pod ${this.namespace}/${this.pod} ended: ${why}`));
      this.#waiting.clear();
    };
    const streams = await this.#kube.exec(this.namespace, this.pod, DRIVER, end).catch((error: unknown) => {
      this.#session = undefined;
      throw new Error(`exec in pod ${this.namespace}/${this.pod}: ${describe(error)}`);
    });
    createInterface({ input: streams.stdout, crlfDelay: Infinity }).on('line', (line) => {
      const reply = JSON.parse(line) as ReplyLine;
      this.#waiting.get(reply.n)?.resolve(reply);
      this.#waiting.delete(reply.n);
    });
    return streams;
  }
}

/** WebSocket errors are events, not Errors. */
function describe(error: unknown): string {
  const message = (error as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : String(error);
}

export interface HeldConnection {
  /** Answer to the first request. */
  readonly answer: Answer;
  again(): Promise<Answer>;
  closedWithin(waitMs: number): Promise<boolean>;
  close(): Promise<void>;
}
