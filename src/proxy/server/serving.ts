import type { Socket } from 'node:net';
import { type Member, Roster } from '../../base/roster.ts';
import type { FloodBudget } from '../codec/flood-budget.ts';
import { Http1Memo } from '../codec/http1-memo.ts';
import { http1Server } from '../codec/http1-server.ts';
import { http2Server } from '../codec/http2-server.ts';
import { tunnelSettings } from '../codec/http2-settings.ts';
import type { CodecLimits, RequestHandler, ServerConnection } from '../codec/stream.ts';
import type { TimerWheel } from '../codec/timer-wheel.ts';

export interface ServingOptions {
  readonly timers: TimerWheel;
  readonly codec: CodecLimits;
  /** Longer than the dialling side keeps idle tunnels, so that it is the one who closes and no request meets an end. */
  readonly idleTunnelMs: number;
}

interface Open extends Member {
  readonly connection: ServerConnection;
}

/** Accepted connections that speak HTTP, from accept to close; so that a drain finds them all. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #connections = new Roster<Open>();
  readonly #memo = new Http1Memo();
  readonly #explicitMemo = new Http1Memo();
  #draining = false;

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  http1(socket: Socket, firstBytes: Buffer, handler: RequestHandler, explicitProxy = false): void {
    const { timers, codec: limits } = this.#options;
    const memo = explicitProxy ? this.#explicitMemo : this.#memo;
    this.#keep(http1Server(socket, { handler, limits, timers, firstBytes, explicitProxy, memo }));
  }

  /** @param shared what all connections from the same place may call off together */
  http2(socket: Socket, firstBytes: Buffer, handler: RequestHandler, shared: FloodBudget): void {
    const { timers, codec: limits } = this.#options;
    this.#keep(http2Server(socket, { handler, limits, timers, firstBytes, shared }));
  }

  /**
   * A tunnel of the mesh hop: CONNECT is a raw TCP connection.
   * @param shared what its peer may call off, on all its tunnels together
   * @param onSentAway told when it was closed because its peer did too much that brings nothing
   */
  tunnel(socket: Socket, handler: RequestHandler, shared: FloodBudget, onSentAway: () => void): void {
    const { timers, codec } = this.#options;
    const limits = { ...codec, idleTimeoutMs: this.#options.idleTunnelMs };
    const settings = tunnelSettings;
    this.#keep(http2Server(socket, { handler, limits, timers, connect: true, settings, shared, onSentAway }));
  }

  #keep(connection: ServerConnection): void {
    const entry = this.#connections.add({ connection, place: -1 });
    void connection.closed.then(() => this.#connections.delete(entry));
    if (this.#draining) connection.drain();
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Finishes what runs, on every connection, and takes nothing new. */
  drain(): void {
    this.#draining = true;
    for (const { connection } of this.#connections) connection.drain();
  }

  destroy(): void {
    for (const { connection } of this.#connections) connection.destroy();
  }
}
