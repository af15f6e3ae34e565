import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { TestContext } from 'node:test';
import { systemClock } from '../../../src/base/clock.ts';
import { serverCertificate } from '../../../src/identity/server-certificate.ts';
import { type ApiServer, type ApiServerOptions, createApiServer } from '../../../src/local/api/server.ts';

export interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly bytes: Buffer;
  /** The body as JSON, loosely typed for assertions. */
  readonly body: Body;
}

/** JSON that tests look into without checking each step. */
export interface Body {
  readonly [key: string]: Body;
  readonly [index: number]: Body;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly type?: string;
  readonly accept?: string;
  /** Empty: no credentials. */
  readonly token?: string;
  readonly headers?: Record<string, string>;
}

export interface Served {
  readonly server: ApiServer;
  readonly url: string;
  readonly ca: string;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Opens a stream of lines; ended with the test. */
  lines(path: string, accept?: string): Promise<AsyncIterator<Body>>;
}

/** An API server on a free port of the loopback, stopped after the test. */
export async function serve(t: TestContext, options: ApiServerOptions = {}): Promise<Served> {
  const tls = serverCertificate({ clock: systemClock, hosts: ['localhost', '127.0.0.1'] });
  const server = await createApiServer({ tls, ...options });
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const running = server.run(stop.signal);
  const agent = new Agent({ keepAlive: true, ca: tls.ca });
  t.after(async () => {
    agent.destroy();
    stop.abort();
    await running;
  });
  const open = (method: string, path: string, { body, type, accept, token, headers }: CallOptions) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const raw = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
      const bytes = body === undefined ? undefined : Buffer.from(raw);
      const credentials = token ?? server.adminToken;
      const outgoing = request(new URL(path, url), {
        method,
        agent,
        headers: {
          ...(credentials === '' ? {} : { authorization: `Bearer ${credentials}` }),
          ...(body === undefined
            ? {}
            : { 'content-type': type ?? 'application/json', 'content-length': String(bytes?.length) }),
          ...(accept === undefined ? {} : { accept }),
          ...headers,
        },
      });
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(bytes);
    });
  return {
    server,
    url,
    ca: tls.ca,
    async call(method, path, call = {}) {
      const response = await open(method, path, call);
      const chunks: Buffer[] = [];
      for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      const text = bytes.toString();
      const isJson = (response.headers['content-type'] ?? '').includes('json');
      return {
        code: response.statusCode ?? 0,
        headers: response.headers,
        text,
        bytes,
        body: (isJson ? JSON.parse(text) : {}) as Body,
      };
    },
    async lines(path, accept) {
      const response = await open('GET', path, accept === undefined ? {} : { accept });
      t.after(() => response.destroy());
      return jsonLines(response);
    },
  };
}

async function* jsonLines(response: IncomingMessage): AsyncGenerator<Body, undefined> {
  let rest = '';
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) yield JSON.parse(part) as Body;
    }
  } catch {
    // ended with the test
  }
  return undefined;
}

export function configMap(name: string, data: Record<string, string> = {}, labels?: Record<string, string>) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...(labels && { labels }) }, data };
}

export const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
export const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
export const GADGETS = '/apis/test.weft.dev/v1/namespaces/default/gadgets';

/** A CRD `gadgets.test.weft.dev` with the given schema of `spec`. */
export function gadgetCrd(spec: object, version: object = {}, top: object = {}) {
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: { spec, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'gadgets.test.weft.dev' },
    spec: {
      group: 'test.weft.dev',
      scope: 'Namespaced',
      names: { plural: 'gadgets', kind: 'Gadget' },
      versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} }, schema, ...version }],
      ...top,
    },
  };
}

export function gadget(name: string, spec: object, apiVersion = 'test.weft.dev/v1') {
  return { apiVersion, kind: 'Gadget', metadata: { name }, spec };
}
