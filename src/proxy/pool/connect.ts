import { lookup as resolveName, type LookupAddress, type LookupOptions } from 'node:dns';
import { connect, type LookupFunction, type Socket } from 'node:net';
import type { TimerWheel } from '../codec/timer-wheel.ts';
import { canonicalAddress, formatDestination, type Destination } from '../destination.ts';
import { ProxyError } from '../error.ts';
import type { OwnConnections } from '../own-connections.ts';

/** TCP keep-alive on everything that is dialled or accepted: finds peers that vanished without a word. */
export const KEEP_ALIVE_MS = 60_000;

export interface ConnectOptions {
  readonly timers: TimerWheel;
  readonly connectTimeoutMs: number;
  /** Says why an address must not be dialled; asked for every address that a name resolves to. */
  readonly forbidden: (address: string, port: number) => string | undefined;
  /** `connectionName` of our own connections, so that the listeners recognise one that comes back to us. */
  readonly ownConnections: OwnConnections;
}

/** Opens TCP connections for the pools. */
export type Connect = (destination: Destination, done: (result: Socket | ProxyError) => void) => void;

export function connector(options: ConnectOptions): Connect {
  return function connectTcp(destination, done) {
    const { host, port } = destination;
    const name = formatDestination(destination);
    const socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      lookup: guardedLookup(port, options.forbidden),
    });
    const timer = options.timers.timer(() => {
      finish(
        new ProxyError('CONNECT_TIMEOUT', `${name} did not accept a connection in ${options.connectTimeoutMs} ms`),
      );
    });
    timer.set(options.connectTimeoutMs);
    socket.once('connect', onConnect);
    socket.once('error', onError);
    let finished = false;

    function onConnect(): void {
      const { localAddress, localPort, remoteAddress, remotePort } = socket;
      const own = connectionName(socketName(localAddress, localPort), socketName(remoteAddress, remotePort));
      options.ownConnections.add(own);
      socket.once('close', () => options.ownConnections.delete(own));
      finish(socket);
    }
    function onError(error: Error): void {
      finish(connectError(name, error));
    }
    function finish(result: Socket | ProxyError): void {
      if (finished) return;
      finished = true;
      timer.dispose();
      socket.removeListener('connect', onConnect);
      socket.removeListener('error', onError);
      if (result === socket) return done(result);
      socket.on('error', ignore);
      socket.destroy();
      done(result);
    }
  };
}

/** `127.0.0.1:4711`, `[::1]:4711`, canonical. */
export function socketName(address: string | undefined, port: number | undefined): string {
  return formatDestination({ host: canonicalAddress(address ?? ''), port: port ?? 0 });
}

/**
 * Names a connection by both its ends: the local address alone is no name, the kernel gives it to several connections
 * with different destinations.
 * @param from the dialling end, `127.0.0.1:4711`
 * @param to where it dialled to: for an accepted connection that was redirected, the original destination
 */
export function connectionName(from: string, to: string): string {
  return `${from}>${to}`;
}

function connectError(name: string, error: Error): ProxyError {
  if (error instanceof ProxyError) return error;
  const reason = (error as NodeJS.ErrnoException).code ?? error.message;
  return new ProxyError('CONNECT_FAILED', `cannot connect to ${name}: ${reason}`, { cause: error });
}

/** A name must not lead where its address would be refused (DNS rebinding, suites 3.4). */
function guardedLookup(port: number, forbidden: ConnectOptions['forbidden']): LookupFunction {
  return function lookup(hostname: string, options: LookupOptions, callback) {
    resolveName(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, []);
      const allowed = addresses.filter(({ address }) => forbidden(canonicalAddress(address), port) === undefined);
      const first = allowed[0];
      if (first === undefined) {
        const why = `${hostname} leads to an address that must not be dialled`;
        return callback(new ProxyError('FORBIDDEN_DESTINATION', why), []);
      }
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

/** Error listener of sockets whose end is already decided: an unheard 'error' would end the process. */
export function ignore(): void {}
