import { createServer, type Server, type Socket } from 'node:net';
import { type Member, Roster } from '../../base/roster.ts';
import { canonicalAddress } from '../destination.ts';
import { KEEP_ALIVE_MS } from '../pool/connect.ts';

/** Where to listen. `address` empty: every address, IPv6 and IPv4. */
export interface ListenAddress {
  readonly address: string;
  /** 0 = a free one, see `Listener.port`. */
  readonly port: number;
}

export type ListenerKind = 'outbound' | 'explicit' | 'forward' | 'inbound' | 'inboundPort' | 'tunnel';

/** One open listening socket. */
export interface Listener {
  readonly kind: ListenerKind;
  /** Canonical; `::` or `0.0.0.0` for every address. */
  readonly address: string;
  readonly port: number;
  /** Accepted connections that are still open. */
  readonly connections: number;
  /** Accepts no more; what is open stays. */
  close(): void;
  /** Ends what is open. */
  destroy(): void;
}

export interface ListenOptions {
  readonly kind: ListenerKind;
  readonly at: ListenAddress;
  readonly maxConnections: number;
  /** Whether other workers listen there too; the kernel shares the connections out. */
  readonly reusePort: boolean;
  /** Gets each connection. Must attach an error listener. */
  readonly onConnection: (socket: Socket) => void;
}

interface Open extends Member {
  readonly socket: Socket;
}

/** @throws Error that names the listener and what is wrong, when the socket cannot be opened */
export async function listen({ kind, at, maxConnections, reusePort, onConnection }: ListenOptions): Promise<Listener> {
  const sockets = new Roster<Open>();
  const server = createServer({
    allowHalfOpen: true, // a client that has sent its request may close its half and still read
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
  server.maxConnections = maxConnections;
  server.on('connection', (socket: Socket) => {
    const entry = sockets.add({ socket, place: -1 });
    socket.once('close', () => sockets.delete(entry));
    onConnection(socket);
  });
  await opened(server, kind, at, reusePort);
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error(`${kind} listener has no address`);
  return {
    kind,
    address: canonicalAddress(bound.address),
    port: bound.port,
    get connections() {
      return sockets.size;
    },
    close: () => void server.close(),
    destroy() {
      for (const { socket } of sockets) socket.destroy();
    },
  };
}

function opened(
  server: Server,
  kind: ListenerKind,
  { address, port }: ListenAddress,
  reusePort: boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = `${address === '' ? '*' : address}:${port}`;
      reject(
        new Error(`cannot open the ${kind} listener on ${where}: ${error.code ?? error.message}`, { cause: error }),
      );
    });
    // One listening socket takes both families where there is IPv6; accept errors (EMFILE) are retried by Node
    server.listen(address === '' ? { port, reusePort } : { port, host: address, reusePort }, () => {
      server.removeAllListeners('error');
      server.on('error', () => {});
      resolve();
    });
  });
}
