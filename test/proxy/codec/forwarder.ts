import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { detect } from '../../../src/proxy/codec/detect.ts';
import { http1Client } from '../../../src/proxy/codec/http1-client.ts';
import { http1Server } from '../../../src/proxy/codec/http1-server.ts';
import { http2Client } from '../../../src/proxy/codec/http2-client.ts';
import { http2Server } from '../../../src/proxy/codec/http2-server.ts';
import { join } from '../../../src/proxy/codec/join.ts';
import { defaultLimits } from '../../../src/proxy/codec/limits.ts';
import type { ClientConnection, CodecLimits, RequestHead, ServerConnection } from '../../../src/proxy/codec/stream.ts';
import { TimerWheel } from '../../../src/proxy/codec/timer-wheel.ts';
import type { ProxyError } from '../../../src/proxy/error.ts';

export interface ForwarderOptions {
  /** What is spoken to the upstream. */
  readonly upstream: 'http1' | 'http2';
  readonly port: number;
  readonly limits?: Partial<CodecLimits>;
  readonly explicitProxy?: boolean;
  /** Hears how each exchange ended. */
  readonly onDone?: (error: ProxyError | undefined, head: RequestHead) => void;
}

export interface Forwarder {
  readonly port: number;
  readonly server: Server;
  readonly timers: TimerWheel;
  /** Connections to the upstream that are open. */
  readonly upstreams: Set<ClientConnection>;
  readonly downstreams: Set<ServerConnection>;
  readonly sockets: Set<Socket>;
  close(): Promise<void>;
}

/** The smallest proxy that the codecs make: detects HTTP/1 or 2, pools upstream connections, joins. */
export async function forwarder(options: ForwarderOptions): Promise<Forwarder> {
  const limits = { ...defaultLimits, ...options.limits };
  const timers = new TimerWheel(50);
  const upstreams = new Set<ClientConnection>();
  const downstreams = new Set<ServerConnection>();
  const sockets = new Set<Socket>();

  function keep(socket: Socket): Socket {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    return socket;
  }

  function upstream(): ClientConnection {
    for (const connection of upstreams) if (connection.capacity() > 0) return connection;
    const socket = keep(connect({ port: options.port, noDelay: true }));
    const connection =
      options.upstream === 'http1' ? http1Client(socket, { limits, timers }) : http2Client(socket, { limits, timers });
    upstreams.add(connection);
    connection.onChange = () => {
      if (connection.gone) upstreams.delete(connection);
    };
    return connection;
  }

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    keep(socket);
    const early = (): void => {};
    socket.on('error', early);
    socket.once('data', function look(bytes: Buffer) {
      const kind = detect(bytes);
      socket.pause();
      const common = {
        limits,
        timers,
        firstBytes: bytes,
        handler: (head: RequestHead, stream: Parameters<typeof join>[0]) =>
          join(stream, upstream(), head, {
            onHead() {},
            onSent() {},
            onReceived() {},
            onDone: (error) => options.onDone?.(error, head),
          }),
      };
      const connection =
        kind === 'http2'
          ? http2Server(socket, { ...common, connect: true })
          : http1Server(socket, { ...common, explicitProxy: options.explicitProxy ?? false });
      downstreams.add(connection);
      void connection.closed.then(() => downstreams.delete(connection));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    server,
    timers,
    upstreams,
    downstreams,
    sockets,
    async close() {
      for (const connection of upstreams) connection.destroy();
      for (const connection of downstreams) connection.destroy();
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
      timers.stop();
    },
  };
}

/** The port that a listening server got. */
export function portOf(server: { address(): string | AddressInfo | null }): number {
  return (server.address() as AddressInfo).port;
}
