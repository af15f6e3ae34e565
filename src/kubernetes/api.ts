import type { IncomingMessage } from 'node:http';
import https from 'node:https';
import { http } from '../base/node-http.ts';
import { errorOf } from './error.ts';
import { jsonLines, wholeBody } from './json-lines.ts';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With query, without the server: `/api/v1/pods?limit=500`. */
  readonly path: string;
  readonly body?: unknown;
  /** Of the body; `application/json` unless said otherwise. */
  readonly contentType?: string;
}

/** One API server, as this process may use it. */
export interface KubernetesApi {
  /**
   * One call; gives back the JSON of the reply. Ends after `timeoutMs` at the latest.
   * @throws KubernetesError for a refusal, other errors for a connection that fails
   */
  call(request: ApiRequest, signal: AbortSignal): Promise<unknown>;
  /** A watch: one JSON value per line, until the server ends it. Throws as `call` does. */
  lines(path: string, signal: AbortSignal): AsyncIterable<unknown>;
  /** Closes connections that are kept for later calls. */
  close(): void;
}

/** Where an API server is, and how this process shows who it is. */
export interface Connection {
  /** `https://127.0.0.1:6443` */
  readonly server: string;
  /** Adds what the server asks for: a certificate, a token, its CA. */
  authenticate(options: https.RequestOptions): Promise<void>;
  /** Calls go by a proxy, with an agent that `authenticate` adds. */
  readonly hasProxy: boolean;
}

export const MERGE_PATCH = 'application/merge-patch+json';

export interface KubernetesApiOptions {
  readonly connection: Connection;
  /** Deadline of a call, from its start to the last byte of the reply. */
  readonly timeoutMs?: number;
}

/**
 * Calls over kept-alive connections. client-node knows the kubeconfig and every way to authenticate; its own requests are
 * not used, because it opens (and verifies) a new TLS connection for each, splits watch lines at U+2028, which JSON may
 * contain, and drops a watch that was silent for 30 s.
 */
export function kubernetesApi({ connection, timeoutMs = 60_000 }: KubernetesApiOptions): KubernetesApi {
  // TCP keep-alive finds a dead peer of an idle watch within about 40 s
  const agentOptions = { keepAlive: true, keepAliveMsecs: 15_000, scheduling: 'lifo', maxSockets: 100 } as const;
  const agents = { 'http:': new http.Agent(agentOptions), 'https:': new https.Agent(agentOptions) };

  async function open(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const url = new URL(connection.server + request.path);
    const options: https.RequestOptions = {
      method: request.method,
      signal,
      headers: { accept: 'application/json', 'user-agent': 'weft' },
    };
    await connection.authenticate(options);
    if (!connection.hasProxy) options.agent = agents[url.protocol as keyof typeof agents];
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    if (body !== undefined) {
      const contentType = request.contentType ?? 'application/json';
      options.headers = { ...options.headers, 'content-type': contentType, 'content-length': body.length };
    }
    return send(url, options, body, request.method === 'GET');
  }

  return {
    async call(request, signal) {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const response = await open(request, deadline);
      return parseReply(response, await wholeBody(response));
    },
    async *lines(path, signal) {
      const response = await open({ method: 'GET', path }, signal);
      if (response.statusCode !== 200) parseReply(response, await wholeBody(response));
      yield* jsonLines(response);
    },
    close() {
      for (const agent of Object.values(agents)) agent.destroy();
    },
  };
}

/** Sends and waits for the head of the reply. A reading call on a connection that had died while idle goes out again. */
function send(
  url: URL,
  options: https.RequestOptions,
  body: Buffer | undefined,
  repeatable: boolean,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, options, (response) => {
      response.on('error', () => undefined); // whoever reads it learns of it; nobody may be reading yet, or any more
      resolve(response);
    });
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (repeatable && request.reusedSocket && error.code === 'ECONNRESET')
        resolve(send(url, options, body, repeatable));
      else reject(error);
    });
    request.end(body);
  });
}

function parseReply(response: IncomingMessage, text: string): unknown {
  const status = response.statusCode ?? 0;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = { message: text.slice(0, 500) };
    if (status < 300) throw errorOf(502, { message: 'the API server replied with something that is not JSON' });
  }
  if (status >= 200 && status < 300) return body;
  const seconds = Number(response.headers['retry-after'] ?? NaN);
  throw errorOf(status, body, Number.isFinite(seconds) ? seconds * 1000 : undefined);
}
