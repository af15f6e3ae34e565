import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingHttpHeaders, type RequestListener } from 'node:http';
import net, { type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { until, WatchSource } from '../../src/base/watch.ts';
import { createAuthority, type Authority } from '../../src/identity/authority.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import {
  endpointsKey,
  serviceKey,
  type AccessRule,
  type Backend,
  type HttpMatch,
  type InboundProbe,
  type PolicyMode,
  type PortProtocol,
  type ProxyConfig,
  type Resource,
  type Route,
} from '../../src/mesh/resources.ts';
import { spiffeId } from '../../src/mesh/spiffe.ts';
import { createProxy } from '../../src/proxy/assemble.ts';
import type { Proxy, ProxyOptions } from '../../src/proxy/options.ts';

/*
 * A small language for tests of the data path, over real sockets: workloads with real sidecars on loopback addresses of
 * their own, Services, splits and policies in the proxies' own words.
 *
 *   const mesh = testMesh(t);
 *   const web = await mesh.workload('web');
 *   const cart = await mesh.workload('cart', { http: (req, res) => res.end('hello') });
 *   mesh.service('cart', { to: [cart] });
 *   mesh.apply();
 *   await web.get('http://cart/');
 */

const TRUST_DOMAIN = 'test.local';
export const APP_PORT = 8080;

export interface WorkloadSpec {
  /** The app behind the sidecar: an HTTP server, or a raw TCP one. */
  readonly http?: RequestListener;
  readonly tcp?: (socket: Socket) => void;
  /** Any server of the test's own; listens on the app's address. */
  readonly listen?: (address: string, port: number) => Promise<{ close(): void }>;
  readonly protocol?: PortProtocol;
  /** Default: that of the name. */
  readonly serviceAccount?: string;
  /** Without sidecar: callers reach the app in plain text. */
  readonly unmeshed?: boolean;
  /** A listener of the sidecar that is for this destination only, `cart:80`. */
  readonly forward?: string;
  readonly options?: Partial<ProxyOptions>;
  readonly credentials?: (make: CredentialsMaker) => Credentials | undefined;
}

export type CredentialsMaker = (identity: string, authority?: Authority, pod?: string) => Credentials;

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

interface ServiceSpec {
  readonly to: readonly Workload[];
  readonly port?: number;
  readonly protocol?: PortProtocol;
  readonly address?: string;
}

interface PolicySpec {
  readonly mode: PolicyMode;
  readonly rules?: readonly AccessRule[];
  readonly probes?: readonly InboundProbe[];
}

export class Workload {
  readonly name: string;
  readonly identity: string;
  /** Published address: the sidecar's. */
  readonly address: string;
  /** Where the app listens; only the sidecar dials it. */
  readonly appAddress: string;
  readonly config = new WatchSource<ProxyConfig>();
  readonly credentials = new WatchSource<Credentials>();
  readonly agent = new http.Agent({ keepAlive: true });
  protocol: PortProtocol = 'detect';
  meshed = true;
  policy: PolicySpec = { mode: 'permissive' };
  proxy: Proxy | undefined;
  stop: () => Promise<void> = () => Promise.resolve();

  constructor(name: string, identity: string) {
    this.name = name;
    this.identity = identity;
    this.address = ownAddress();
    this.appAddress = ownAddress();
  }

  /** Address and port of a listener of this sidecar. */
  listener(kind: string): { readonly host: string; readonly port: number } {
    const found = this.proxy?.describe().listeners.find((l) => l.kind === kind);
    if (found === undefined) throw new Error(`${this.name} has no ${kind} listener`);
    return { host: found.address, port: found.port };
  }

  /** A request of this workload's app, through its sidecar. */
  get(url: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('GET', url, headers);
  }

  request(method: string, url: string, headers: Record<string, string> = {}, body?: string): Promise<Answer> {
    const { host, port } = this.listener('explicit');
    const target = new URL(url);
    return new Promise((resolve, reject) => {
      const request = http.request(
        { host, port, method, path: url, agent: this.agent, headers: { host: target.host, ...headers } },
        (response) => void collect(response).then(resolve, reject),
      );
      request.on('error', reject);
      request.end(body);
    });
  }

  /** A raw connection of this workload's app, through its sidecar, by CONNECT. Paused: nothing of it is lost. */
  async connect(destination: string): Promise<Socket> {
    const socket = net.connect({ ...this.listener('explicit'), allowHalfOpen: true });
    socket.on('error', () => {});
    socket.write(`CONNECT ${destination} HTTP/1.1\r\nhost: ${destination}\r\n\r\n`);
    const head = await new Promise<Buffer>((resolve) => {
      socket.once('data', (chunk: Buffer) => {
        socket.pause();
        resolve(chunk);
      });
    });
    if (!head.toString().startsWith('HTTP/1.1 200')) throw new Error(head.toString());
    const rest = head.subarray(head.indexOf('\r\n\r\n') + 4);
    if (rest.length > 0) socket.unshift(rest);
    return socket;
  }

  /** Series of this sidecar, summed up. */
  total(pick: (series: Proxy extends { traffic(): Iterable<infer S> } ? S : never) => number): number {
    return [...(this.proxy?.traffic() ?? [])].reduce((sum, series) => sum + pick(series), 0);
  }
}

export class TestMesh {
  readonly authority = createAuthority({ clock: systemClock, trustDomain: TRUST_DOMAIN });
  readonly #t: TestContext;
  readonly #workloads: Workload[] = [];
  readonly #services = new Map<string, ServiceSpec>();
  readonly #routes = new Map<string, readonly Route[]>();

  constructor(t: TestContext) {
    this.#t = t;
  }

  async workload(name: string, spec: WorkloadSpec = {}): Promise<Workload> {
    const identity = identityOf(spec.serviceAccount ?? name);
    const workload = new Workload(name, identity);
    workload.protocol = spec.protocol ?? (spec.tcp === undefined ? 'detect' : 'tcp');
    workload.meshed = spec.unmeshed !== true;
    this.#workloads.push(workload);
    const listenAt = workload.meshed ? workload.appAddress : workload.address;
    const app = await startApp(spec, listenAt);
    this.#t.after(() => app?.close());
    if (workload.meshed) await this.#startSidecar(workload, spec);
    return workload;
  }

  async #startSidecar(workload: Workload, spec: WorkloadSpec): Promise<void> {
    const { address, appAddress, config, credentials } = workload;
    const issued = spec.credentials
      ? spec.credentials((id, by, pod) => this.issue(id, by, pod))
      : this.issue(workload.identity);
    if (issued !== undefined) credentials.set(issued);
    const proxy = createProxy({
      listeners: {
        explicit: { address, port: 0 },
        ...(spec.forward !== undefined && { forward: [{ address, port: 0, destination: spec.forward }] }),
        tunnel: { address, port: 15008 },
        inboundPorts: { address },
      },
      appAddress,
      config,
      credentials,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      ...spec.options,
      limits: { drainMs: 1_000, ...spec.options?.limits },
    });
    workload.proxy = proxy;
    const stop = new AbortController();
    const running = proxy.run(stop.signal);
    let ended = false;
    workload.stop = async () => {
      if (ended) return;
      ended = true;
      stop.abort();
      await running.catch(() => {}); // whoever started it was told
      workload.agent.destroy();
    };
    this.#t.after(() => workload.stop());
    while (!proxy.describe().listeners.some((l) => l.kind === 'tunnel')) {
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
  }

  /**
   * Credentials as the control plane would issue them.
   * @param pod UID of the pod; undefined: a certificate that names none
   */
  issue(identity: string, authority: Authority = this.authority, pod?: string): Credentials {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signed = authority.sign({
      identity,
      ...(pod !== undefined && { pod }),
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    });
    return {
      identity,
      certificateChain: signed.certificateChain,
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      trustBundle: this.authority.trustBundle.current()!,
      notAfter: signed.notAfter,
    };
  }

  service(name: string, spec: ServiceSpec): void {
    this.#services.set(name, spec);
  }

  /** Sends the traffic of a Service to others by weight. */
  split(root: string, weights: Readonly<Record<string, number>>, matches?: readonly HttpMatch[]): void {
    const backends = Object.entries(weights).map(([service, weight]) => this.#backend(service, weight));
    const name = `TrafficSplit shop/${root}`;
    const rest: Route = { name: `Service shop/${root}`, tcp: true, backends: [this.#backend(root, 1)], policies: [] };
    const routes: Route[] =
      matches === undefined
        ? [{ name, tcp: true, backends, policies: [] }]
        : [{ name, tcp: false, matches, backends, policies: [] }, rest];
    this.#routes.set(root, routes);
  }

  /** Takes the split of a Service away. */
  unsplit(root: string): void {
    this.#routes.delete(root);
  }

  #backend(service: string, weight: number): Backend {
    const port = this.#services.get(service)?.port ?? 80;
    return { namespace: 'shop', service, port, weight, endpoints: endpointsKey('shop', service, port) };
  }

  policy(workload: Workload, policy: PolicySpec): void {
    workload.policy = policy;
  }

  /** Gives every sidecar its configuration, as the controller would. */
  apply(): void {
    for (const workload of this.#workloads) workload.config.set(this.configFor(workload));
  }

  configFor(workload: Workload): ProxyConfig {
    const resources: Resource[] = [
      {
        type: 'workload',
        key: 'workload',
        trustDomain: TRUST_DOMAIN,
        identity: workload.identity,
        labels: labels(workload.name),
        opaquePorts: [],
      },
      {
        type: 'inbound',
        key: 'inbound',
        mode: workload.policy.mode,
        ports: [{ number: APP_PORT, protocol: workload.protocol }],
        rules: workload.policy.rules ?? [],
        probes: workload.policy.probes ?? [],
      },
    ];
    for (const [name, spec] of this.#services) resources.push(...this.#serviceResources(name, spec));
    return new Map(resources.map((resource) => [resource.key, resource]));
  }

  #serviceResources(name: string, { to, port = 80, protocol = 'detect', address }: ServiceSpec): Resource[] {
    const own: Route = { name: `Service shop/${name}`, tcp: true, backends: [this.#backend(name, 1)], policies: [] };
    return [
      {
        type: 'service',
        key: serviceKey('shop', name),
        namespace: 'shop',
        name,
        addresses: address === undefined ? [] : [address],
        hostnames: [name, `${name}.shop`, `${name}.shop.svc.cluster.local`],
        ports: [{ number: port, protocol, routes: this.#routes.get(name) ?? [own] }],
      },
      {
        type: 'endpoints',
        key: endpointsKey('shop', name, port),
        endpoints: to.map((workload) => ({
          address: workload.address,
          port: APP_PORT,
          labels: labels(workload.name),
          ...(workload.meshed && { identity: workload.identity }),
        })),
      },
    ];
  }
}

/** A mesh that is gone when the test is over. */
export function testMesh(t: TestContext): TestMesh {
  return new TestMesh(t);
}

export function identityOf(serviceAccount: string): string {
  return spiffeId({ trustDomain: TRUST_DOMAIN, namespace: 'shop', serviceAccount });
}

/** A rule that lets one workload in. */
export function allow(workload: { readonly identity: string }, http?: readonly HttpMatch[]): AccessRule {
  return { name: 'TrafficTarget shop/test', principals: [workload.identity], ...(http && { http }) };
}

function labels(name: string) {
  return { namespace: 'shop', pod: `${name}-1`, serviceAccount: name, ownerKind: 'deployment', owner: name };
}

/** A loopback address that nobody else uses: each workload has its own, as pods do. */
export function ownAddress(): string {
  const part = () => 1 + Math.floor(Math.random() * 254);
  return `127.${part()}.${part()}.${part()}`;
}

async function startApp(spec: WorkloadSpec, address: string): Promise<{ close(): void } | undefined> {
  if (spec.listen !== undefined) return spec.listen(address, APP_PORT);
  if (spec.tcp !== undefined) {
    const sockets = new Set<Socket>();
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => sockets.delete(socket));
      spec.tcp?.(socket);
    });
    await once(server.listen(APP_PORT, address), 'listening');
    return {
      close() {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }
  if (spec.http === undefined) return undefined;
  const server = http.createServer(spec.http);
  await once(server.listen(APP_PORT, address), 'listening');
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

export async function collect(response: http.IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

/** Waits until something holds; fails by the test's own time limit. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Everything that a socket gives until its end. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

export { until };
