import { once } from 'node:events';
import { createSecureServer, type IncomingHttpHeaders, type Http2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import { silentLog, type Logger } from '../base/log.ts';
import type { Watch } from '../base/watch.ts';
import { DISCOVERY_PATH } from '../discovery/dial.ts';
import type { DiscoveryServer } from '../discovery/server.ts';
import { SIGN_PATH } from '../identity/remote-signer.ts';
import type { Credentials } from '../mesh/credentials.ts';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import { trustBundle, verifyTlsPeer } from '../mesh/verify-peer.ts';
import type { IdentitySigner } from './identity-signer.ts';

export interface MeshServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** The controller's own. Must be there before `open`; later ones are used for new connections. */
  readonly credentials: Watch<Credentials>;
  readonly discovery: Pick<DiscoveryServer, 'serve'>;
  readonly signer: IdentitySigner;
  readonly clock: Clock;
  readonly log?: Logger;
}

export interface MeshServer {
  /** Begins to listen. @throws Error when the address is taken, or there are no credentials yet */
  open(): Promise<{ readonly host: string; readonly port: number }>;
  /** Ends every connection. */
  close(): Promise<void>;
}

const MAX_SIGN_BODY = 64 * 1024;
const SIGN_TIMEOUT_MS = 10_000;
/** Heartbeats come every 10 s: a connection that is silent for this long is dead, or was never used. */
const IDLE_MS = 60_000;
/** Two thousand sidecars with room for their reconnects. */
const MAX_CONNECTIONS = 10_000;

/** What sidecars talk to: HTTP/2 over TLS 1.3 with discovery (client certificate needed) and signing (token needed). */
export function meshServer(options: MeshServerOptions): MeshServer {
  const { clock, log = silentLog, credentials, discovery, signer } = options;
  const sessions = new Set<Http2Session>();
  const stop = new AbortController();
  const server = createSecureServer({
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false, // sidecars without a certificate come to get one; who has one is judged below
    handshakeTimeout: 10_000,
    settings: { maxConcurrentStreams: 16, enablePush: false },
  });
  server.maxConnections = MAX_CONNECTIONS;
  const useCredentials = () => {
    const own = credentials.current();
    if (own !== undefined)
      server.setSecureContext({ cert: own.certificateChain, key: own.privateKey, minVersion: 'TLSv1.3' });
  };
  const stopWatching = credentials.subscribe(useCredentials);
  server.on('session', (session) => {
    sessions.add(session);
    session.setTimeout(IDLE_MS, () => session.destroy());
    session.on('error', (error) => log.debug('connection broke', { error: error.message }));
    session.on('close', () => sessions.delete(session));
  });
  server.on('tlsClientError', (error) => log.debug('handshake failed', { error: error.message }));
  server.on('sessionError', (error) => log.debug('connection broke', { error: error.message }));
  server.on('stream', (stream, headers) => {
    stream.on('error', (error) => log.debug('stream broke', { error: error.message }));
    answer(stream, headers).catch((error: unknown) => {
      log.error('request failed', { path: headers[':path'], error: String(error) });
      stream.destroy();
    });
  });

  async function answer(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const [method, path] = [headers[':method'], headers[':path']];
    if (path !== SIGN_PATH && path !== DISCOVERY_PATH) return reply(stream, 404, { error: 'there is nothing here' });
    if (method !== 'POST') return reply(stream, 405, { error: 'use POST' });
    return path === SIGN_PATH ? signed(stream, headers) : discovered(stream);
  }

  async function signed(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Promise<void> {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(SIGN_TIMEOUT_MS)]);
    const body = await bodyOf(stream, signal);
    if (body === undefined) return reply(stream, 413, { error: `the body is larger than ${MAX_SIGN_BODY} bytes` });
    const { status, body: answer } = await signer.handle(headers.authorization, body, signal);
    reply(stream, status, answer);
  }

  async function discovered(stream: ServerHttp2Stream): Promise<void> {
    const own = credentials.current()!;
    const bundle = trustBundle(parseSpiffeId(own.identity)?.trustDomain ?? '', own.trustBundle);
    const verdict = verifyTlsPeer(stream.session!.socket as TLSSocket, bundle, clock.now());
    if (!verdict.ok) {
      log.warn('peer refused', { reason: verdict.reason, message: verdict.message });
      return reply(stream, 403, { error: verdict.message });
    }
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    const ended = new AbortController();
    // What the certificate vouched for ends with it; the sidecar comes back with its next one.
    clock.sleep(verdict.notAfter - clock.now(), ended.signal).then(
      () => stream.destroy(),
      () => undefined,
    );
    await discovery.serve(stream, verdict.identity, verdict.pod);
    ended.abort();
  }

  return {
    async open() {
      if (credentials.current() === undefined) throw new Error('the controller has no certificate yet');
      useCredentials();
      server.listen(options.listen.port, options.listen.host);
      await once(server, 'listening');
      server.on('error', (error) => log.error('mesh server failed', { error: error.message }));
      return { host: options.listen.host, port: (server.address() as AddressInfo).port };
    },
    async close() {
      stopWatching();
      stop.abort();
      for (const session of sessions) session.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

/** Undefined when it is too large. Rejects when the stream breaks or the signal ends it. */
function bodyOf(stream: ServerHttp2Stream, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const abort = () => stream.destroy();
    signal.addEventListener('abort', abort, { once: true });
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_SIGN_BODY) chunks.push(chunk);
      else resolve(undefined);
    });
    stream.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    stream.on('close', () => {
      signal.removeEventListener('abort', abort);
      reject(new Error('the request did not come to its end'));
    });
  });
}

function reply(stream: ServerHttp2Stream, status: number, body: Readonly<Record<string, unknown>>): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ':status': status, 'content-type': 'application/json' });
  stream.end(JSON.stringify(body));
}
