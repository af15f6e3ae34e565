import type { Socket } from 'node:net';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { http1Client } from '../codec/http1-client.ts';
import { Http1Memo } from '../codec/http1-memo.ts';
import { http2Client } from '../codec/http2-client.ts';
import { appSettings, tunnelSettings } from '../codec/http2-settings.ts';
import type { ClientConnection, CodecLimits } from '../codec/stream.ts';
import type { TimerWheel } from '../codec/timer-wheel.ts';
import { formatDestination, type Destination } from '../destination.ts';
import { ProxyError } from '../error.ts';
import { HOP_PROTOCOLS, type LiveCredentials, type TlsIdentity } from '../live-credentials.ts';
import { TcpConnection } from '../tcp-stream.ts';
import { ignore, type Connect } from './connect.ts';
import type { Dial } from './pool.ts';

export interface DialOptions {
  readonly connect: Connect;
  readonly timers: TimerWheel;
  readonly codec: CodecLimits;
  readonly credentials: LiveCredentials;
  readonly handshakeTimeoutMs: number;
}

/** Plain connections to an app or to an unmeshed endpoint. */
export function dialPlain(options: DialOptions, destination: Destination, kind: 'http1' | 'http2' | 'tcp'): Dial {
  const { connect, timers, codec: limits } = options;
  const memo = new Http1Memo();
  const speak = (socket: Socket): ClientConnection => {
    switch (kind) {
      case 'http1':
        return http1Client(socket, { timers, limits, memo });
      case 'http2':
        return http2Client(socket, { timers, limits, settings: appSettings });
      case 'tcp':
        return new TcpConnection(socket);
    }
  };
  return (done) => connect(destination, (result) => done(result instanceof ProxyError ? result : speak(result)));
}

/** Tunnels to a peer's sidecar: nothing is sent before the far end has proved to be `expected`. */
export function dialTunnel(options: DialOptions, destination: Destination, expected: string): Dial {
  const { connect, timers, codec: limits } = options;
  const name = formatDestination(destination);
  return (done) => {
    const identity = options.credentials.current();
    if (identity === undefined) {
      const error = new ProxyError(
        'NOT_CONFIGURED',
        'this proxy has no certificate yet, so it cannot call meshed peers',
      );
      return process.nextTick(done, error);
    }
    connect(destination, (result) => {
      if (result instanceof ProxyError) return done(result);
      handshake(options, result, identity, name, expected, (secured) => {
        done(
          secured instanceof ProxyError ? secured : http2Client(secured, { timers, limits, settings: tunnelSettings }),
        );
      });
    });
  };
}

type Handshaken = (result: TLSSocket | ProxyError) => void;

function handshake(
  options: DialOptions,
  socket: Socket,
  identity: TlsIdentity,
  name: string,
  expected: string,
  done: Handshaken,
): void {
  const secured = tlsConnect({
    socket,
    secureContext: identity.context,
    ALPNProtocols: [...HOP_PROTOCOLS],
    rejectUnauthorized: false, // verifyPeer decides below, by SPIFFE's rules instead of host names
  });
  const timer = options.timers.timer(() => fail('CONNECT_TIMEOUT', 'did not finish the TLS handshake in time'));
  timer.set(options.handshakeTimeoutMs);
  secured.once('secureConnect', onSecure);
  secured.once('error', onError);
  secured.once('close', onClose);

  function onSecure(): void {
    const verdict = options.credentials.verify(secured);
    if (!verdict.ok) return fail('IDENTITY_MISMATCH', `presented no valid identity: ${verdict.message}`);
    if (verdict.identity !== expected) {
      return fail('IDENTITY_MISMATCH', `is ${verdict.identity}, but ${expected} is expected there`);
    }
    if (!HOP_PROTOCOLS.includes(secured.alpnProtocol || '')) {
      return fail(
        'CONNECT_FAILED',
        `speaks no version of the mesh hop that is known here (${HOP_PROTOCOLS.join(', ')})`,
      );
    }
    // TLS 1.3 is done here before the far end has judged our certificate: its first bytes (SETTINGS) say that it has
    secured.once('readable', onReadable);
  }
  function onReadable(): void {
    if (secured.readableLength === 0) return fail('CONNECT_FAILED', 'refused this workload or is going away');
    settle();
    done(secured);
  }
  function onError(error: Error): void {
    fail('CONNECT_FAILED', `failed the TLS handshake: ${error.message}`, error);
  }
  function onClose(): void {
    fail('CONNECT_FAILED', 'closed the connection during the TLS handshake');
  }
  function fail(code: 'CONNECT_FAILED' | 'CONNECT_TIMEOUT' | 'IDENTITY_MISMATCH', what: string, cause?: Error): void {
    settle();
    secured.on('error', ignore);
    secured.destroy();
    done(new ProxyError(code, `the sidecar at ${name} ${what}`, { cause }));
  }
  function settle(): void {
    timer.dispose();
    secured.removeListener('secureConnect', onSecure);
    secured.removeListener('readable', onReadable);
    secured.removeListener('error', onError);
    secured.removeListener('close', onClose);
  }
}
