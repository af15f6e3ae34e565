import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { VerifiedPeer } from '../../mesh/verify-peer.ts';
import { HOP_PROTOCOLS, HOP_TLS, type LiveCredentials, type TlsIdentity } from '../live-credentials.ts';
import type { ProxyLimits } from '../limits.ts';
import { ignore, socketName } from '../pool/connect.ts';

export interface TunnelListenerOptions {
  readonly credentials: LiveCredentials;
  readonly limits: ProxyLimits;
  readonly log: Logger;
  readonly clock: Clock;
  /** Gets each connection whose far end has proved who it is; and whom to tell when it had to be sent away for what it did. */
  readonly onTunnel: (socket: TLSSocket, peer: VerifiedPeer, onSentAway: () => void) => void;
}

/** The server side of the hop's handshake: TLS 1.3, a certificate demanded, the identity checked by SPIFFE's rules. */
export class TunnelListener {
  readonly #options: TunnelListenerOptions;
  readonly #tunnels = new Set<TLSSocket>();
  /** Remote addresses of handshakes that are under way. */
  readonly #handshakes = new Set<string>();
  /** How many of them each address has. */
  readonly #byAddress = new Map<string, number>();
  /** Until when each address is not welcome. */
  readonly #unwelcome = new Map<string, number>();
  /** Made with the first credentials; only does the handshake, it never listens. */
  #server: Server | undefined;
  #identity: TlsIdentity | undefined;
  /** Connections that did not become tunnels, for describe. */
  refused = 0;

  constructor(options: TunnelListenerOptions) {
    this.#options = options;
  }

  get tunnels(): number {
    return this.#tunnels.size;
  }

  accept(socket: Socket): void {
    socket.on('error', ignore);
    const server = this.#current();
    const { maxHandshakes, maxHandshakesPerAddress } = this.#options.limits;
    const address = socket.remoteAddress ?? '';
    const running = this.#byAddress.get(address) ?? 0;
    const busy = this.#handshakes.size >= maxHandshakes || running >= maxHandshakesPerAddress;
    if (server === undefined || busy || !this.#isWelcome(address)) {
      this.refused++;
      return void socket.resetAndDestroy(); // nothing was sent, so the peer may go elsewhere
    }
    const peer = nameOf(socket);
    this.#handshakes.add(peer);
    this.#byAddress.set(address, running + 1);
    socket.once('close', () => this.#over(peer, address));
    server.emit('connection', socket);
  }

  #isWelcome(address: string): boolean {
    const until = this.#unwelcome.get(address);
    if (until === undefined) return true;
    if (this.#options.clock.now() < until) return false;
    this.#unwelcome.delete(address);
    return true;
  }

  /** Who comes back at once costs a handshake each time; for a peer that means well a moment is short. */
  #sendAway(address: string, identity: string): void {
    const { clock, limits, log } = this.#options;
    const now = clock.now();
    for (const [other, until] of this.#unwelcome) if (until <= now) this.#unwelcome.delete(other);
    this.#unwelcome.set(address, now + limits.unwelcomeMs);
    log.warn('a peer was sent away: it calls off too much of what it begins', { address, identity });
  }

  /** A handshake has led to a tunnel, or to nothing. */
  #over(peer: string, address: string): void {
    if (!this.#handshakes.delete(peer)) return;
    const left = (this.#byAddress.get(address) ?? 0) - 1;
    if (left > 0) this.#byAddress.set(address, left);
    else this.#byAddress.delete(address);
  }

  /** The server with the newest credentials; handshakes that are under way keep the older. */
  #current(): Server | undefined {
    const identity = this.#options.credentials.current();
    if (identity === this.#identity || identity === undefined) return this.#server;
    const { certificateChain: cert, privateKey: key, trustBundle } = identity.credentials;
    // No resumption: a resumed connection would not present its certificate again (suites 2.4)
    const context = { ...HOP_TLS, cert, key, ca: [...trustBundle], secureOptions: constants.SSL_OP_NO_TICKET };
    this.#identity = identity;
    if (this.#server !== undefined) this.#server.setSecureContext(context);
    else this.#server = this.#makeServer(context);
    return this.#server;
  }

  #makeServer(context: object): Server {
    const server = createServer({
      ...context,
      requestCert: true,
      rejectUnauthorized: false, // #secured decides, by SPIFFE's rules instead of host names
      ALPNProtocols: [...HOP_PROTOCOLS],
      handshakeTimeout: this.#options.limits.handshakeTimeoutMs,
    });
    server.on('secureConnection', (secured) => this.#secured(secured));
    server.on('tlsClientError', (error, secured) => {
      secured.on('error', ignore);
      this.#refuse(secured, error.message);
    });
    return server;
  }

  #secured(secured: TLSSocket): void {
    secured.on('error', ignore); // 'close' follows
    this.#over(nameOf(secured), secured.remoteAddress ?? '');
    const verdict = this.#options.credentials.verify(secured);
    if (!verdict.ok) return this.#refuse(secured, `${verdict.reason}: ${verdict.message}`);
    if (!HOP_PROTOCOLS.includes(secured.alpnProtocol || '')) {
      return this.#refuse(secured, 'no version of the mesh hop in common');
    }
    this.#tunnels.add(secured);
    secured.once('close', () => this.#tunnels.delete(secured));
    const address = secured.remoteAddress ?? ''; // a socket that is closed has none
    this.#options.onTunnel(secured, verdict, () => this.#sendAway(address, verdict.identity));
  }

  #refuse(secured: TLSSocket, why: string): void {
    this.refused++;
    this.#options.log.debug('tunnel refused', { peer: nameOf(secured), why });
    secured.destroy();
  }

  /** After a change of the trust bundle: ends the tunnels whose far end would not be let in any more. */
  recheck(): void {
    for (const secured of this.#tunnels) {
      const verdict = this.#options.credentials.verify(secured);
      if (!verdict.ok) this.#refuse(secured, verdict.message);
    }
  }
}

function nameOf(socket: Socket): string {
  return socketName(socket.remoteAddress, socket.remotePort);
}
