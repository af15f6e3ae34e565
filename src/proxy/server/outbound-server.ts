import type { Socket } from 'node:net';
import type { Clock } from '../../base/clock.ts';
import { FloodBudget } from '../codec/flood-budget.ts';
import { APPS_CALLED_OFF } from '../codec/http2-settings.ts';
import type { RequestHead, ServerStream } from '../codec/stream.ts';
import type { TimerWheel } from '../codec/timer-wheel.ts';
import { formatDestination, parseDestination, type Destination } from '../destination.ts';
import type { Handler, Peer } from '../exchange.ts';
import { OutboundExchange } from '../filter/outbound.ts';
import type { ProxyLimits } from '../limits.ts';
import { localDestination, type OriginalDestination } from '../original-destination.ts';
import { connectionName, ignore, socketName } from '../pool/connect.ts';
import type { Directory, Found } from '../route/directory.ts';
import { serveTcp, tcpHead } from '../tcp-stream.ts';
import { detectProtocol } from './first-bytes.ts';
import type { Serving } from './serving.ts';

/** The outbound half of one configuration. */
export interface OutboundState {
  /** Undefined before the first configuration: then everything is refused. */
  readonly directory: Directory | undefined;
  readonly handle: Handler<OutboundExchange>;
}

export interface OutboundServerOptions {
  /** The newest configuration's. */
  readonly state: () => OutboundState;
  /** Asks the control plane about a destination; resolves, whatever the answer, within the time limit. */
  readonly lookUp: ((destination: Destination) => Promise<void>) | undefined;
  readonly serving: Serving;
  readonly timers: TimerWheel;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  readonly originalDestination: OriginalDestination;
}

/** Accepts the app's connections and makes exchanges of them. */
export class OutboundServer {
  readonly #options: OutboundServerOptions;
  readonly #calledOff = new FloodBudget(APPS_CALLED_OFF);

  constructor(options: OutboundServerOptions) {
    this.#options = options;
  }

  /** A connection that the kernel has redirected here. */
  redirected(socket: Socket): void {
    const destination = this.#options.originalDestination(socket); // before anything can close the descriptor
    socket.on('error', ignore);
    if (destination === undefined) return void socket.resetAndDestroy();
    this.connection(socket, destination, 'tcp', destination);
  }

  /**
   * A connection whose destination is known: finds out what it speaks, unless its port is opaque.
   * @param unknownProtocol what to do with destinations that the mesh does not know: pass them as opaque, or look
   * @param dialled what the other end has dialled, when that is not the address where it was accepted
   */
  connection(
    socket: Socket,
    destination: Destination,
    unknownProtocol: 'tcp' | 'detect',
    dialled: Destination | undefined = localDestination(socket),
  ): void {
    socket.on('error', ignore);
    const peer = plainPeer(socket, dialled);
    const found = this.#find(destination);
    const { lookUp } = this.#options;
    if (found !== 'unknown' || lookUp === undefined)
      return this.#serve(socket, peer, destination, found, unknownProtocol);
    socket.pause();
    void lookUp(destination).then(() => {
      if (!socket.destroyed) this.#serve(socket, peer, destination, this.#find(destination), unknownProtocol);
    });
  }

  #find(destination: Destination): Found {
    const directory = this.#options.state().directory;
    if (directory === undefined) return 'unknown';
    const found = directory.byAddress(destination, undefined);
    return found === 'unknown' ? directory.byName(destination) : found;
  }

  #serve(socket: Socket, peer: Peer, destination: Destination, found: Found, unknownProtocol: 'tcp' | 'detect'): void {
    const { timers, limits, serving } = this.#options;
    const protocol = typeof found === 'object' ? found.protocol : unknownProtocol;
    // Dialled by ourselves and redirected back: the dialling side hears of its connection on this same turn
    if (protocol === 'tcp') return void setImmediate(() => this.#tcp(socket, peer, destination, undefined));
    detectProtocol(socket, timers, limits.detectTimeoutMs, (detected, first) => {
      if (detected === 'tcp') return this.#tcp(socket, peer, destination, first);
      const handler = this.#handler(peer, () => destination);
      if (detected === 'http1') serving.http1(socket, first, handler);
      else serving.http2(socket, first, handler, this.#calledOff);
    });
  }

  /** An HTTP/1.1 connection of an app that uses us as its proxy: every request names its own destination. */
  explicitHttp(socket: Socket, first: Buffer): void {
    let lastText: string | undefined;
    let last: Destination | undefined;
    const destinationOf = (head: RequestHead) => {
      const text = head.destination ?? (head.method === 'CONNECT' ? head.authority : undefined);
      if (text !== lastText) {
        lastText = text;
        last = text === undefined ? undefined : parseDestination(text, 80);
      }
      return last;
    };
    this.#options.serving.http1(socket, first, this.#handler(plainPeer(socket), destinationOf), true);
  }

  /** HTTP/2 without a destination, on the explicit listener: refused per request, with the reason. */
  explicitHttp2(socket: Socket, first: Buffer): void {
    const handler = this.#handler(plainPeer(socket), () => undefined);
    this.#options.serving.http2(socket, first, handler, this.#calledOff);
  }

  #handler(peer: Peer, destinationOf: (head: RequestHead) => Destination | undefined) {
    return (head: RequestHead, stream: ServerStream): void => {
      const kind = head.method === 'CONNECT' && head.protocol === undefined ? 'tcp' : 'http';
      const exchange = this.#exchange(kind, head, stream, peer, destinationOf(head));
      this.#options.state().handle(exchange);
    };
  }

  #tcp(socket: Socket, peer: Peer, destination: Destination, first: Buffer | undefined): void {
    if (socket.destroyed) return;
    const head = tcpHead(formatDestination(destination));
    serveTcp(socket, first, (stream) => {
      this.#options.state().handle(this.#exchange('tcp', head, stream, peer, destination));
    });
  }

  #exchange(
    kind: 'http' | 'tcp',
    head: RequestHead,
    stream: ServerStream,
    peer: Peer,
    destination: Destination | undefined,
  ): OutboundExchange {
    return new OutboundExchange(kind, head, stream, peer, this.#options.clock.now(), destination);
  }
}

/**
 * A caller without identity.
 * @param dialled what it has dialled; default: where it was accepted
 */
export function plainPeer(socket: Socket, dialled = localDestination(socket)): Peer {
  const address = socketName(socket.remoteAddress, socket.remotePort);
  const connection = connectionName(address, dialled === undefined ? '' : formatDestination(dialled));
  return { identity: undefined, pod: undefined, notAfter: Infinity, address, connection, load: undefined };
}
