import type { Agent as HttpAgent, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type AgentOptions, type RequestOptions } from 'node:https';
import { PassThrough } from 'node:stream';
import type { Exec } from '@kubernetes/client-node';
import { http } from './testapp/node-http.ts';

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

export interface KubeReply {
  readonly code: number;
  readonly body: unknown;
  /** Texts of its Warning headers. */
  readonly warnings: readonly string[];
}

/** An answer of the API server that was not expected. */
export class KubeError extends Error {
  readonly code: number;

  constructor(what: string, reply: KubeReply) {
    super(`${what}: ${reply.code} ${messageOf(reply)}`);
    this.code = reply.code;
  }
}

export function messageOf({ body }: KubeReply): string {
  const message = (body as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : JSON.stringify(body ?? '');
}

const PLURALS: Readonly<Record<string, string>> = { IdentityBinding: 'identitybindings' };

/** `traffictargets` for TrafficTarget. The kinds that the suite uses all follow the simple rule. */
function plural(kind: string): string {
  return PLURALS[kind] ?? `${kind.toLowerCase()}s`;
}

/** Path of an object, or of its collection. */
export function pathOf({ apiVersion, kind, metadata }: KubeObject, collection = false): string {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = metadata.namespace === undefined ? '' : `/namespaces/${metadata.namespace}`;
  return `${base}${scope}/${plural(kind)}${collection ? '' : `/${metadata.name}`}`;
}

const REQUEST_TIMEOUT_MS = 30_000;

/** The Kubernetes API as the suite needs it: JSON over HTTPS with exact status codes, and exec. */
export class Kube {
  readonly #exec: Exec;
  readonly #options: RequestOptions;
  readonly #agent: Agent | HttpAgent;
  readonly #server: URL;

  private constructor(exec: Exec, server: URL, options: RequestOptions) {
    this.#exec = exec;
    this.#server = server;
    this.#options = options;
    const limits = { keepAlive: true, maxSockets: 16 };
    this.#agent =
      server.protocol === 'https:' ? new Agent({ ...(options as AgentOptions), ...limits }) : new http.Agent(limits);
  }

  /** Reads a kubeconfig (its text); the current context is used. */
  static async connect(kubeconfig: string): Promise<Kube> {
    // Loaded only now: it is 2,700 modules, which cost whoever looks at the cases a second.
    const { Exec, KubeConfig } = await import('@kubernetes/client-node');
    const config = new KubeConfig();
    config.loadFromString(kubeconfig);
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error('the kubeconfig has no cluster for its current context');
    const options: RequestOptions = {};
    await config.applyToHTTPSOptions(options as never);
    delete options.agent;
    return new Kube(new Exec(config), new URL(cluster.server), options);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Sends one request. Rejects only when no reply comes; every status is a reply. */
  request(
    method: string,
    path: string,
    body?: unknown,
    contentType = 'application/json',
    accept = 'application/json',
  ): Promise<KubeReply> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const send = this.#server.protocol === 'https:' ? httpsRequest : http.request;
    const prefix = this.#server.pathname.replace(/\/$/, '');
    return new Promise((resolve, reject) => {
      const request = send({
        ...this.#options,
        agent: this.#agent as Agent,
        host: this.#server.hostname.replace(/^\[|\]$/g, ''),
        port: this.#server.port || (this.#server.protocol === 'https:' ? 443 : 80),
        method,
        path: prefix + path,
        timeout: REQUEST_TIMEOUT_MS,
        headers: {
          ...this.#options.headers,
          accept,
          ...(payload === undefined ? {} : { 'content-type': contentType, 'content-length': payload.length }),
        },
      });
      request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no reply within 30 s`)));
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server has closed the idle connection at the moment when we took it
        const stale = error.code === 'ECONNRESET' && request.reusedSocket;
        if (stale) this.request(method, path, body, contentType, accept).then(resolve, reject);
        else reject(error);
      });
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({ code: response.statusCode ?? 0, body: parseBody(text), warnings: warningsOf(response) }),
        );
      });
      request.end(payload);
    });
  }

  get(path: string): Promise<KubeReply> {
    return this.request('GET', path);
  }

  /** Creates the object, or changes the one of that name (JSON merge patch). */
  async apply(object: KubeObject): Promise<void> {
    const created = await this.create(object);
    if (created.code !== 409) {
      if (created.code >= 300) throw new KubeError(`create ${object.kind} ${object.metadata.name}`, created);
      return;
    }
    const patched = await this.patch(object, object);
    if (patched.code >= 300) throw new KubeError(`patch ${object.kind} ${object.metadata.name}`, patched);
  }

  /** `strict`: fields that the schema does not know are refused, as kubectl has it. */
  create(object: KubeObject, strict = false): Promise<KubeReply> {
    return this.request('POST', pathOf(object, true) + (strict ? '?fieldValidation=Strict' : ''), object);
  }

  /** JSON merge patch. */
  patch(object: KubeObject, change: unknown): Promise<KubeReply> {
    return this.request('PATCH', pathOf(object), change, 'application/merge-patch+json');
  }

  replace(object: KubeObject): Promise<KubeReply> {
    return this.request('PUT', pathOf(object), object);
  }

  /** Deletes; an object that is not there is fine. */
  async remove(object: KubeObject): Promise<void> {
    const reply = await this.request('DELETE', pathOf(object));
    if (reply.code >= 300 && reply.code !== 404)
      throw new KubeError(`delete ${object.kind} ${object.metadata.name}`, reply);
  }

  /** Runs a command in a container of the pod. `onEnd` is told why it ended. */
  async exec(
    namespace: string,
    pod: string,
    command: readonly string[],
    onEnd: (why: string) => void,
    container = 'app',
  ): Promise<ExecStreams> {
    const stdin = new PassThrough();
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    let errors = '';
    stderr.on('data', (chunk) => (errors = (errors + String(chunk)).slice(-2000)));
    const socket = await this.#exec.exec(
      namespace,
      pod,
      container,
      [...command],
      stdout,
      stderr,
      stdin,
      false,
      (status) => onEnd(`${status.status ?? ''} ${status.message ?? ''} ${errors}`.trim()),
    );
    socket.onclose = () => onEnd(`the exec connection was closed ${errors}`.trim());
    socket.onerror = (event: { message: string }) => onEnd(event.message);
    return { stdin, stdout, close: () => socket.close() };
  }
}

export interface ExecStreams {
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
  close(): void;
}

/** RFC 7234 5.5: code, agent, and a quoted text. */
function warningsOf({ headersDistinct }: IncomingMessage): string[] {
  return (headersDistinct['warning'] ?? []).map((value) => /^\d{3} \S+ "(.*)"$/.exec(value)?.[1] ?? value);
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
