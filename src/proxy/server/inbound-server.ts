import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { AccessMatcher } from '../../mesh/access.ts';
import type { VerifiedPeer } from '../../mesh/verify-peer.ts';
import type { PortProtocol } from '../../mesh/resources.ts';
import { FloodBudget } from '../codec/flood-budget.ts';
import { APPS_CALLED_OFF } from '../codec/http2-settings.ts';
import type { RequestHead, ServerStream } from '../codec/stream.ts';
import type { TimerWheel } from '../codec/timer-wheel.ts';
import { canonicalAddress, formatDestination, type Destination } from '../destination.ts';
import type { Handler, Peer } from '../exchange.ts';
import { InboundExchange, type Arrival } from '../filter/inbound.ts';
import type { ProxyLimits } from '../limits.ts';
import { localDestination, type OriginalDestination } from '../original-destination.ts';
import { connectionName, ignore, socketName } from '../pool/connect.ts';
import { serveTcp, tcpHead } from '../tcp-stream.ts';
import { detectProtocol } from './first-bytes.ts';
import { plainPeer } from './outbound-server.ts';
import type { PeerShares } from './peer-shares.ts';
import type { Serving } from './serving.ts';

/** The inbound half of one configuration. */
export interface InboundState {
  /** Undefined before the first configuration. */
  readonly policy: AccessMatcher | undefined;
  readonly protocol: (port: number) => PortProtocol;
  readonly handle: Handler<InboundExchange>;
}

export interface InboundServerOptions {
  readonly state: () => InboundState;
  readonly serving: Serving;
  readonly peers: PeerShares;
  readonly timers: TimerWheel;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  readonly originalDestination: OriginalDestination;
}

/** Accepts what is meant for the app beside us and makes exchanges of it. */
export class InboundServer {
  readonly #options: InboundServerOptions;
  /** Of those without an identity, who cannot be told apart. */
  readonly #calledOff = new FloodBudget(APPS_CALLED_OFF);

  constructor(options: InboundServerOptions) {
    this.#options = options;
  }

  /** A plain connection that the kernel has redirected here: an unmeshed caller, or a probe of the kubelet. */
  redirected(socket: Socket): void {
    const destination = this.#options.originalDestination(socket);
    socket.on('error', ignore);
    if (destination === undefined) return void socket.resetAndDestroy();
    this.#plain(socket, destination);
  }

  /** A plain connection to a listener of our own that stands for the app's port. */
  direct(socket: Socket): void {
    const destination = localDestination(socket);
    socket.on('error', ignore);
    if (destination === undefined) return void socket.resetAndDestroy();
    this.#plain(socket, destination);
  }

  #plain(socket: Socket, destination: Destination): void {
    const { state, timers, limits, serving } = this.#options;
    const { policy, protocol } = state();
    const arrival: Arrival = { meshed: false, address: destination.host, destination };
    const opaque = protocol(destination.port) === 'tcp' && policy?.hasHttpProbe(destination.port) !== true;
    if (opaque) return this.#tcp(socket, undefined, arrival);
    detectProtocol(socket, timers, limits.detectTimeoutMs, (detected, first) => {
      if (detected === 'tcp') return this.#tcp(socket, first, arrival);
      const handler = this.#handler(plainPeer(socket), arrival);
      if (detected === 'http1') serving.http1(socket, first, handler);
      else serving.http2(socket, first, handler, this.#calledOff);
    });
  }

  #tcp(socket: Socket, first: Buffer | undefined, arrival: Arrival): void {
    const { state, clock } = this.#options;
    const head = tcpHead(formatDestination(arrival.destination!));
    const peer = plainPeer(socket);
    serveTcp(socket, first, (stream) => {
      state().handle(new InboundExchange('tcp', head, stream, peer, clock.now(), arrival));
    });
  }

  /**
   * A tunnel whose far end has proved who it is.
   * @param onSentAway told when it was closed because the peer did too much that brings nothing
   */
  tunnel(socket: TLSSocket, { identity, pod, notAfter }: VerifiedPeer, onSentAway: () => void): void {
    const from = socketName(socket.remoteAddress, socket.remotePort);
    const connection = connectionName(from, socketName(socket.localAddress, socket.localPort));
    const load = this.#options.peers.of(identity, pod);
    const peer: Peer = { identity, pod, notAfter, address: from, connection, load };
    const address = canonicalAddress(socket.localAddress ?? '');
    const handler = this.#handler(peer, { meshed: true, address, destination: undefined });
    this.#options.serving.tunnel(socket, handler, load.calledOff, onSentAway);
  }

  #handler(peer: Peer, arrival: Arrival) {
    const { state, clock } = this.#options;
    return (head: RequestHead, stream: ServerStream): void => {
      const kind = arrival.meshed && head.method === 'CONNECT' && head.protocol === undefined ? 'tcp' : 'http';
      state().handle(new InboundExchange(kind, head, stream, peer, clock.now(), arrival));
    };
  }
}
