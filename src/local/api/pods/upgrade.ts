import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../../base/clock.ts';
import { http } from '../../../base/node-http.ts';
import { ApiError } from '../../api-error.ts';
import type { PodRef, PodStreams } from '../../pod-streams.ts';
import { badRequest, noSuchPath, notFound } from '../errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Call } from '../http/resources.ts';
import { toApiError } from '../http/respond.ts';
import type { Store } from '../store/store.ts';
import { execOptions, runAttach, runExec } from './exec.ts';
import { runSpdyPortForward, SPDY_TUNNEL } from './spdy-port-forward.ts';
import { runPortForward } from './port-forward.ts';

export interface UpgradeDeps {
  readonly streams: PodStreams | undefined;
  readonly store: Store;
  readonly clock: Clock;
  /** Authenticates, authorizes and takes apart. @throws ApiError */
  readonly open: (request: IncomingMessage) => Call;
  readonly signal: AbortSignal;
}

const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io', SPDY_TUNNEL];

/** Serves `exec`, `attach` and `portforward` over WebSocket. */
export function upgradeHandler(deps: UpgradeDeps): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: 16 * 1024 * 1024,
    handleProtocols: (offered) => PROTOCOLS.find((p) => offered.has(p)) ?? false,
  });
  // The tunnel's name is no token of RFC 6455, so the library refuses it: it is taken out of the request, and put into
  // the answer.
  const tunnels = new WeakSet<IncomingMessage>();
  server.on('headers', (headers, request) => {
    if (tunnels.has(request)) headers.push(`Sec-WebSocket-Protocol: ${SPDY_TUNNEL}`);
  });
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    try {
      const serve = sessionFor(deps, deps.open(request));
      if ((request.headers.upgrade ?? '').toLowerCase() !== 'websocket') throw spdy();
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((p) => p.trim());
      if (!PROTOCOLS.some((p) => offered.includes(p)))
        throw badRequest(
          `unable to upgrade: none of the subprotocols is known; this server speaks ${PROTOCOLS.join(', ')}`,
        );
      if (offered.includes(SPDY_TUNNEL)) {
        delete request.headers['sec-websocket-protocol'];
        tunnels.add(request);
      }
      server.handleUpgrade(request, socket, head, (ws) => {
        ws.on('error', () => ws.terminate());
        deps.signal.addEventListener('abort', () => ws.terminate(), { once: true });
        serve(ws).catch(() => ws.terminate());
      });
    } catch (error) {
      refuse(socket, error);
    }
  };
}

function sessionFor(deps: UpgradeDeps, { exchange, path, kind }: Call): (socket: WebSocket) => Promise<void> {
  const { streams, store, clock, signal } = deps;
  const { namespace, name } = path;
  if (kind.group !== '' || kind.resource !== 'pods' || name === '') throw noSuchPath();
  if (store.resource('/pods').get(namespace, name) === undefined) throw notFound(kind, name);
  if (streams === undefined) throw noStreams();
  switch (path.subresource) {
    case 'exec': {
      const options = execOptions(namespace, name, exchange.query);
      return (socket) => runExec(streams, options, socket, signal);
    }
    case 'attach':
      return (socket) =>
        runAttach(streams, { namespace, pod: name, query: exchange.query, nowMs: clock.now() }, socket, signal);
    case 'portforward':
      return portForward(streams, { namespace, pod: name }, exchange, signal);
    default:
      throw noSuchPath();
  }
}

function portForward(
  streams: PodStreams,
  pod: PodRef,
  exchange: Exchange,
  signal: AbortSignal,
): (socket: WebSocket) => Promise<void> {
  const offered = exchange.request.headers['sec-websocket-protocol'] ?? '';
  if (offered.includes(SPDY_TUNNEL)) return (socket) => runSpdyPortForward(streams, pod, socket, signal);
  const wanted = ports(exchange);
  return (socket) => runPortForward(streams, pod, wanted, socket, signal);
}

function ports({ query }: Exchange): number[] {
  const all = query
    .getAll('ports')
    .flatMap((p) => p.split(','))
    .map(Number);
  if (all.length === 0 || all.some((p) => !Number.isInteger(p) || p < 1 || p > 65535)) {
    throw badRequest('portforward needs `ports`, each between 1 and 65535');
  }
  return all;
}

export function noStreams(): ApiError {
  return new ApiError(
    501,
    'NotImplemented',
    'this server was started without a pod runtime: it has no logs and runs no commands',
  );
}

function spdy(): ApiError {
  return badRequest(
    'this server speaks WebSocket, not SPDY: use kubectl 1.31 or newer (or set KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true in 1.30)',
  );
}

/** Answers on the bare socket with a Status. */
function refuse(socket: Duplex, error: unknown): void {
  const refusal = toApiError(error);
  const body = `${JSON.stringify(refusal.status())}\n`;
  const head = [
    `HTTP/1.1 ${refusal.code} ${http.STATUS_CODES[refusal.code] ?? ''}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
