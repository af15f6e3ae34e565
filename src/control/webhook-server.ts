import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { silentLog, type Logger } from '../base/log.ts';
import type { Watch } from '../base/watch.ts';
import type { CompileOptions } from '../compile/options.ts';
import type { Credentials } from '../mesh/credentials.ts';
import { admissionReview } from './admission-review.ts';
import { convertReview } from './convert-review.ts';

export const CONVERT_PATH = '/convert';
export const VALIDATE_PATH = '/validate';

export interface WebhookServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** With the names that the API server dials. Must be there before `open`; later ones are used for new connections. */
  readonly credentials: Watch<Credentials>;
  readonly compile: CompileOptions;
  readonly log?: Logger;
}

export interface WebhookServer {
  /** Begins to listen. @throws Error when the address is taken, or there are no credentials yet */
  open(): Promise<{ readonly host: string; readonly port: number }>;
  close(): Promise<void>;
}

interface Route {
  readonly answer: (review: unknown) => unknown;
  readonly maxBytes: number;
}

/** etcd takes no object beyond 1.5 MiB; an update brings two. */
const MAX_ADMISSION_BYTES = 3 * 1024 * 1024;
/** A list is converted in one call: ten thousand objects of 3 KiB. */
const MAX_CONVERSION_BYTES = 32 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 5_000;
/** API servers keep a few connections; anybody in the cluster may open more. */
const MAX_CONNECTIONS = 200;

/**
 * What the API server asks: to convert SMI objects between versions, and whether to admit them. By default it shows no
 * certificate, so anybody may ask: every answer is a pure function of the question.
 */
export function webhookServer({ listen, credentials, compile, log = silentLog }: WebhookServerOptions): WebhookServer {
  const routes = new Map<string, Route>([
    [CONVERT_PATH, { answer: convertReview, maxBytes: MAX_CONVERSION_BYTES }],
    [VALIDATE_PATH, { answer: (review) => admissionReview(review, compile), maxBytes: MAX_ADMISSION_BYTES }],
  ]);
  const server = createServer(
    {
      minVersion: 'TLSv1.2',
      handshakeTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: 8192,
    },
    (request, response) => {
      response.on('error', (error) => log.debug('webhook connection broke', { error: error.message }));
      handle(request, response).catch((error: unknown) => {
        log.debug('webhook request broke', { path: request.url, error: String(error) });
        response.destroy();
      });
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  // API servers keep connections for 90 s: whoever closes first while the other writes costs a failed request
  server.keepAliveTimeout = 120_000;
  server.on('tlsClientError', (error) => log.debug('webhook handshake failed', { error: error.message }));
  const useCredentials = () => {
    const own = credentials.current();
    if (own !== undefined) server.setSecureContext({ cert: own.certificateChain, key: own.privateKey });
  };
  const stopWatching = credentials.subscribe(useCredentials);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = routes.get((request.url ?? '').split('?', 1)[0] ?? '');
    if (route === undefined) return reply(response, 404, { error: 'there is nothing here' });
    if (request.method !== 'POST') return reply(response, 405, { error: 'use POST' });
    if (request.headers['content-encoding'] !== undefined) {
      response.setHeader('connection', 'close'); // API servers send none; inflated, a small body could be any size
      return reply(response, 415, { error: 'send the body without Content-Encoding' });
    }
    if (Number(request.headers['content-length'] ?? 0) > route.maxBytes) {
      response.setHeader('connection', 'close');
      return reply(response, 413, { error: `the body is larger than ${route.maxBytes} bytes` });
    }
    const body = await bodyOf(request, route.maxBytes);
    let review: unknown;
    try {
      review = JSON.parse(body);
    } catch {
      return reply(response, 400, { error: 'the body is no JSON' });
    }
    reply(response, 200, route.answer(review));
  }

  return {
    async open() {
      if (credentials.current() === undefined) throw new Error('the webhook server has no certificate yet');
      useCredentials();
      server.listen(listen.port, listen.host);
      await once(server, 'listening');
      server.on('error', (error) => log.error('webhook server failed', { error: error.message }));
      return { host: listen.host, port: (server.address() as AddressInfo).port };
    },
    async close() {
      stopWatching();
      if (!server.listening) return;
      server.closeIdleConnections();
      const closed = once(server, 'close');
      server.close();
      // what is being answered now is answered within moments: it is work of this process alone
      const deadline = setTimeout(() => server.closeAllConnections(), 500);
      await closed;
      clearTimeout(deadline);
    },
  };
}

/** @throws Error, with the connection closed, when more comes than may: who sends no length gets no polite reply */
async function bodyOf(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the body is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.end(bytes);
}
