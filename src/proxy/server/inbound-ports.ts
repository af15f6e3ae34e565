import type { Socket } from 'node:net';
import type { Logger } from '../../base/log.ts';
import { listen, type Listener } from './listener.ts';

export interface InboundPortsOptions {
  /** The pod's published address. */
  readonly address: string;
  readonly maxConnections: number;
  readonly reusePort: boolean;
  readonly onConnection: (socket: Socket) => void;
  readonly log: Logger;
}

/**
 * Where nothing redirects traffic: one plain listener per port of the app on the pod's published address, opened and
 * closed as the configuration changes.
 */
export class InboundPorts {
  readonly #options: InboundPortsOptions;
  readonly #open = new Map<number, Listener>();
  #wanted: ReadonlySet<number> = new Set();
  #working: Promise<void> | undefined;

  constructor(options: InboundPortsOptions) {
    this.#options = options;
  }

  get listeners(): readonly Listener[] {
    return [...this.#open.values()];
  }

  /** Opens and closes until what is open is what is wanted. Ports that cannot be opened are tried again at the next call. */
  want(ports: ReadonlySet<number>): Promise<void> {
    this.#wanted = ports;
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
    return this.#working;
  }

  async #work(): Promise<void> {
    const failed = new Set<number>();
    for (;;) {
      for (const [port, listener] of this.#open) {
        if (this.#wanted.has(port)) continue;
        listener.close(); // what is open ends by itself, under the policy of its time
        this.#open.delete(port);
      }
      const next = [...this.#wanted].find((port) => !this.#open.has(port) && !failed.has(port));
      if (next === undefined) return;
      await this.#openPort(next, failed);
    }
  }

  async #openPort(port: number, failed: Set<number>): Promise<void> {
    const { address, maxConnections, reusePort, onConnection, log } = this.#options;
    try {
      const listener = await listen({
        kind: 'inboundPort',
        at: { address, port },
        maxConnections,
        reusePort,
        onConnection,
      });
      this.#open.set(port, listener);
    } catch (error) {
      failed.add(port);
      log.warn('cannot stand in for a port of the app', { address, port, error: (error as Error).message });
    }
  }
}
