import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const ASK_EVERY_MS = 50;

/** Asks all the time, on a connection that is kept and on new ones in turn, and remembers the slowest answer. */
export class GoodClient {
  readonly #port: number;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  readonly #running: Promise<void>;
  readonly #problems = new Set<string>();
  #stopped = false;
  #answers = 0;
  #worstMs = 0;

  constructor(port: number) {
    this.#port = port;
    this.#running = this.#ask();
  }

  async #ask(): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const started = performance.now();
      try {
        const { status, body } = await get(this.#port, '/fast', i % 2 === 0 ? this.#agent : undefined);
        if (status !== 200 || body !== 'ok') this.#problems.add(`the good client got ${status} ${body.trim()}`);
      } catch (error) {
        this.#problems.add(`the good client's request failed: ${(error as Error).message}`);
      }
      this.#answers++;
      this.#worstMs = Math.max(this.#worstMs, Math.round(performance.now() - started));
      await sleep(ASK_EVERY_MS);
    }
  }

  async stop(): Promise<{ answers: number; worstMs: number; problems: ReadonlySet<string> }> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
    return { answers: this.#answers, worstMs: this.#worstMs, problems: this.#problems };
  }
}

/** One GET; rejects after 10 s without an answer. */
export function get(port: number, path: string, agent?: http.Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get(
      { port, host: '127.0.0.1', path, headers: { host: 'app.bench' }, agent: agent ?? false, timeout: 10_000 },
      (response) => {
        let body = '';
        response.setEncoding('latin1');
        response.on('data', (text: string) => (body += text));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
  });
}
