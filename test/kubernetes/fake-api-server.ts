import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** A Kubernetes object as JSON. */
export interface Stored {
  apiVersion?: string;
  kind?: string;
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string; generation?: number } & Record<
    string,
    unknown
  >;
  [field: string]: unknown;
}

interface WatchEvent {
  readonly path: string;
  readonly version: number;
  readonly type: string;
  readonly object: Stored;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: unknown;
}

/** A reply made by a test instead of the server's own: undefined leaves the request to the server. */
type Intercept = (request: SeenRequest, response: http.ServerResponse) => boolean | Promise<boolean>;

/**
 * The part of a Kubernetes API server that clients depend on, with real sockets: lists in pages, watches with bookmarks
 * and a history that can run out, optimistic locking, merge patches, status subresources. Knows no schema. Tests make
 * it fail: `intercept`, `cut`, `forgetHistory`, `stop` and `start` on the same port.
 */
export class FakeApiServer {
  readonly requests: SeenRequest[] = [];
  intercept: Intercept = () => false;
  /** Collections that exist; others are 404 until added: `/api/v1/pods`. */
  readonly collections = new Set<string>();
  #objects = new Map<string, Stored>();
  #history: WatchEvent[] = [];
  #oldest = 0;
  #version = 100;
  #watches = new Set<{ readonly path: string; readonly response: http.ServerResponse }>();
  #sockets = new Set<Socket>();
  #server: http.Server | undefined;
  #port = 0;

  async start(): Promise<this> {
    const server = http.createServer((request, response) => void this.#handle(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#watches.clear();
    const closed = new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    this.cut();
    await closed;
  }

  get kubeconfig(): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'fake',
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'me', namespace: 'weft-system' } }],
      clusters: [
        { name: 'fake', cluster: { server: `http://127.0.0.1:${this.#port}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'me', user: { token: 'secret-token' } }],
    });
  }

  get watchers(): number {
    return this.#watches.size;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Cuts every connection, as a crash does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends every watch in an orderly way. */
  endWatches(): void {
    for (const { response } of this.#watches) response.end();
    this.#watches.clear();
  }

  /** From now on every version that is not the newest is too old. */
  forgetHistory(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  /** Loses every object without telling anybody, as a server that came back with other data. */
  wipe(): void {
    this.#objects.clear();
    this.forgetHistory();
  }

  bookmark(path: string): void {
    this.#version += 1;
    this.#send({
      path,
      version: this.#version,
      type: 'BOOKMARK',
      object: { metadata: { name: '', resourceVersion: String(this.#version) } },
    });
  }

  get(path: string): Stored | undefined {
    return this.#objects.get(path);
  }

  list(collection: string): Stored[] {
    const items = [...this.#objects].filter(([path]) => collectionOf(path) === collection);
    return items.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  /** Creates or replaces, as somebody else would. */
  put(path: string, object: Stored, status = false): Stored {
    const elder = this.#objects.get(path);
    this.#version += 1;
    const meta = elder?.metadata;
    const generation = (meta?.generation ?? 0) + (status ? 0 : 1);
    const uid = meta?.uid ?? `uid-${this.#version}`;
    const stored = {
      ...object,
      metadata: { ...object.metadata, uid, generation, resourceVersion: String(this.#version) },
    };
    this.#objects.set(path, stored);
    this.collections.add(collectionOf(path));
    this.#record(path, elder === undefined ? 'ADDED' : 'MODIFIED', stored);
    return stored;
  }

  delete(path: string): void {
    const object = this.#objects.get(path);
    if (object === undefined) return;
    this.#version += 1;
    this.#objects.delete(path);
    this.#record(path, 'DELETED', {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(this.#version) },
    });
  }

  #record(path: string, type: string, object: Stored): void {
    const event = { path: collectionOf(path), version: this.#version, type, object };
    this.#history.push(event);
    this.#send(event);
  }

  #send({ path, type, object }: WatchEvent): void {
    for (const watch of this.#watches) {
      if (watch.path === path) watch.response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  async #handle(incoming: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const text = Buffer.concat(chunks).toString();
    const request: SeenRequest = {
      method: incoming.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
    this.requests.push(request);
    if (await this.intercept(request, response)) return;
    if (request.method !== 'GET') return this.#write(request, response);
    const object = this.#objects.get(request.path);
    if (object !== undefined) return reply(response, 200, object);
    if (!this.collections.has(request.path)) return fail(response, 404, 'NotFound');
    if (request.query.get('watch') === 'true') this.#watch(request, response);
    else this.#list(request, response);
  }

  #list(request: SeenRequest, response: http.ServerResponse): void {
    const limit = Number(request.query.get('limit') ?? Infinity);
    const from = Number(request.query.get('continue') ?? 0);
    const all = this.list(request.path);
    const items = all.slice(from, from + limit).map((item) => {
      const { apiVersion: _a, kind: _k, ...rest } = item; // as built-in kinds: items do not say what they are
      return request.path.startsWith('/api/v1/') ? rest : item;
    });
    const next = from + limit < all.length ? { continue: String(from + limit) } : {};
    reply(response, 200, { kind: 'List', metadata: { resourceVersion: String(this.#version), ...next }, items });
  }

  #watch(request: SeenRequest, response: http.ServerResponse): void {
    const from = Number(request.query.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    if (from < this.#oldest) {
      response.end(`${JSON.stringify({ type: 'ERROR', object: statusObject(410, 'Expired') })}\n`);
      return;
    }
    const watch = { path: request.path, response };
    response.on('close', () => this.#watches.delete(watch));
    this.#watches.add(watch);
    for (const { path, version, type, object } of this.#history) {
      if (path === request.path && version > from) response.write(`${JSON.stringify({ type, object })}\n`);
    }
  }

  #write(request: SeenRequest, response: http.ServerResponse): void {
    const status = request.path.endsWith('/status');
    const path = status ? request.path.slice(0, -'/status'.length) : request.path;
    const body = request.body as Stored | undefined;
    if (request.method === 'POST') {
      const at = `${path}/${body?.metadata.name}`;
      if (this.#objects.has(at)) return fail(response, 409, 'AlreadyExists');
      return reply(response, 201, this.put(at, body as Stored));
    }
    const elder = this.#objects.get(path);
    if (elder === undefined || body === undefined) return fail(response, 404, 'NotFound');
    const { uid, resourceVersion } = body.metadata ?? {};
    if (uid !== undefined && uid !== elder.metadata.uid) return fail(response, 409, 'Conflict');
    if (resourceVersion !== undefined && resourceVersion !== elder.metadata.resourceVersion) {
      return fail(response, 409, 'Conflict');
    }
    const merged = request.method === 'PATCH' ? (mergePatch(elder, body) as Stored) : body;
    const next = status ? { ...elder, status: merged['status'] } : { ...merged, status: elder['status'] };
    return reply(response, 200, this.put(path, next, status));
  }
}

/** `/api/v1/namespaces/shop/pods/a` -> `/api/v1/pods`; what clients list is the collection of all namespaces. */
function collectionOf(path: string): string {
  return path.replace(/\/namespaces\/[^/]+(?=\/[^/]+\/)/, '').replace(/\/[^/]+$/, '');
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result = { ...(target as Record<string, unknown>) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = mergePatch(result[key], value);
  }
  return result;
}

export function reply(response: http.ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

export function fail(response: http.ServerResponse, code: number, reason: string, message = reason): void {
  reply(response, code, statusObject(code, reason, message));
}

function statusObject(code: number, reason: string, message = reason) {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message };
}
