import type { Answer, Call } from '../../../conformance/testapp/protocol.ts';
import type { FaultName } from '../faults.ts';
import { admits, callerOf, matchesAny, normalPath, readRequest, type Caller, type ModelRequest } from './rules.ts';
import { addressOf, podsOf, type Stored, type World } from './world.ts';

/** One connection of a model app: what a split that is decided per connection remembers. */
export interface ModelConnection {
  backend?: Stored | undefined;
}

interface Route {
  readonly pod: Stored;
  readonly port: number;
}

/**
 * A mesh as a function: what SMI objects mean, written a second time and as simply as can be, to test the suite with.
 * It knows nothing of connections, bytes or time. A fault breaks it in one place.
 */
export class ModelMesh {
  readonly #world: World;
  readonly #fault: FaultName | undefined;
  readonly #random: () => number;
  /** Whom an address belonged to first. */
  readonly #owners = new Map<string, Caller>();
  /** Births of the pods that somebody has called. */
  readonly #called = new Set<number>();
  controlPlaneStopped = false;

  constructor(world: World, fault: FaultName | undefined, random: () => number) {
    this.#world = world;
    this.#fault = fault;
    this.#random = random;
  }

  /** What the app in `from` is answered. */
  ask(from: Stored, call: Call, connection: ModelConnection, path = call.path ?? '/'): Answer {
    const request = readRequest(call, path);
    const route = this.#route(from, call, request, connection);
    if (!('pod' in route)) return route;
    const { pod, port } = route;
    if (request.method === 'CONNECT') return { status: 405 };
    const refusal = this.#inbound(from, call, request, pod, port);
    if (refusal !== undefined) return refusal;
    const enforced = this.#mode(pod) === 'deny' && request.http;
    this.#world.receive(pod, call.id, {
      port,
      protocol: call.protocol,
      path: enforced ? (normalPath(path) ?? path) : path,
      headers: request.headers.filter(([name]) => this.#fault === 'trust-forged-identity' || !CLAIMS.includes(name)),
    });
    const by = { app: pod.metadata.name, version: '', namespace: pod.metadata.namespace, pod: pod.metadata.name };
    if (!request.http && call.protocol === 'raw') return { error: 'not-http' };
    return { status: call.protocol === 'websocket' ? 101 : 200, by, ...(call.protocol === 'grpc' ? { grpc: 0 } : {}) };
  }

  #callerOf(pod: Stored): Caller {
    const now = callerOf(pod);
    const first = this.#owners.get(addressOf(pod)) ?? now;
    this.#owners.set(addressOf(pod), first);
    return this.#fault === 'identity-by-address' ? { ...now, identity: first.identity } : now;
  }

  /** At least the first to call finds it so, however busy this machine is. */
  #isStarting(bornMs: number): boolean {
    const isFirst = !this.#called.has(bornMs);
    this.#called.add(bornMs);
    return isFirst || performance.now() - bornMs < STARTING_MS;
  }

  #mode(pod: Stored): string | undefined {
    const { labels, annotations } = this.#world.get('Namespace', '', pod.metadata.namespace)?.metadata ?? {};
    return labels?.['weft.dev/inject'] === 'disabled' ? undefined : annotations?.['weft.dev/policy'];
  }

  #route(from: Stored, { host, port }: Call, request: ModelRequest, connection: ModelConnection): Route | Answer {
    const pod = isAddress(host) ? this.#world.list('Pod').find((each) => addressOf(each) === host) : undefined;
    if (pod !== undefined) return { pod, port };
    const root = this.#service(from, host);
    if (root === undefined) return { error: 'dns' };
    const meshed = this.#mode(from) !== undefined;
    const chosen = meshed ? this.#split(root, port, request, connection) : root;
    if (chosen === undefined) return { status: 503 };
    const targetPort = chosen.spec.ports?.find((candidate) => candidate.port === port)?.targetPort;
    const pods = podsOf(this.#world, chosen);
    const endpoint = pods[Math.floor(this.#random() * pods.length)];
    return targetPort === undefined || endpoint === undefined ? { status: 503 } : { pod: endpoint, port: targetPort };
  }

  #service(from: Stored, host: string): Stored | undefined {
    if (isAddress(host)) return this.#world.list('Service').find((service) => addressOf(service) === host);
    const [name = '', namespace = from.metadata.namespace] = host.split('.');
    return this.#world.get('Service', namespace, name);
  }

  /** The Service whose endpoints take the request: the root itself unless a split takes it; undefined if nobody can. */
  #split(root: Stored, port: number, request: ModelRequest, connection: ModelConnection): Stored | undefined {
    const { namespace, name } = root.metadata;
    const splits = this.#world
      .list('TrafficSplit', namespace)
      .filter(
        ({ spec }) =>
          spec.service?.split('.')[0] === name && [undefined, namespace].includes(spec.service.split('.')[1]),
      )
      .sort((a, b) => Number(b.spec.matches !== undefined) - Number(a.spec.matches !== undefined) || a.order - b.order);
    const taken = splits.find((split) => this.#takes(split, request));
    if (taken === undefined || this.#fault === 'ignore-splits') return root;
    if (this.#fault === 'split-per-connection' && connection.backend !== undefined) return connection.backend;
    connection.backend = this.#pick(taken, namespace, port);
    return connection.backend;
  }

  #takes({ spec, metadata }: Stored, request: ModelRequest): boolean {
    if (spec.matches === undefined) return true;
    if (!request.http) return false;
    const groups = spec.matches.map(({ name }) => this.#world.get('HTTPRouteGroup', metadata.namespace, name));
    const entries = groups.flatMap((group) => group?.spec.matches ?? []);
    return this.#fault === 'ignore-matches' ? entries.length > 0 : matchesAny(entries, request);
  }

  #pick({ spec }: Stored, namespace: string, port: number): Stored | undefined {
    const backends = (spec.backends ?? []).flatMap(({ service, weight }) => {
      const found = this.#world.get('Service', namespace, service);
      const serves = found?.spec.ports?.some((candidate) => candidate.port === port) === true;
      return found === undefined || !serves || podsOf(this.#world, found).length === 0 ? [] : [{ found, weight }];
    });
    let left = this.#random() * backends.reduce((sum, { weight }) => sum + weight, 0);
    return backends.find(({ weight }) => weight > 0 && (left -= weight) < 0)?.found;
  }

  /** The refusal of the destination's sidecar, if it refuses. */
  #inbound(from: Stored, call: Call, request: ModelRequest, pod: Stored, port: number): Answer | undefined {
    const mode = this.#mode(pod);
    if (mode === undefined || this.#fault === 'allow-everything') return undefined;
    if (this.#fault === 'deny-everything') return denial(call, request);
    if (this.#fault === 'open-while-starting' && this.#isStarting(pod.bornMs)) return undefined;
    if (this.#fault === 'open-without-control-plane' && this.controlPlaneStopped) return undefined;
    if (mode !== 'deny') return undefined;
    if (request.http && normalPath(request.path) === undefined) return { status: 400 };
    const claimed = /URI=spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/;]+)/.exec(
      request.header('x-forwarded-client-cert') ?? '',
    );
    const bypassed = call.direct === true && call.port === BYPASS_PORT;
    const real = bypassed || this.#mode(from) === undefined ? undefined : this.#callerOf(from);
    const peer =
      this.#fault === 'trust-forged-identity' && claimed !== null
        ? { ...callerOf(from), identity: `${claimed[1]}/${claimed[2]}` }
        : real;
    const ignored = { matches: this.#fault === 'ignore-matches', bindings: this.#fault === 'ignore-bindings' };
    return peer !== undefined && admits(this.#world, peer, pod, port, request, ignored)
      ? undefined
      : denial(call, request);
  }
}

function isAddress(host: string): boolean {
  return /^[\d.]+$/.test(host);
}

/** conformance/capabilities/weft.yaml, bypass */
const BYPASS_PORT = 8083;
const CLAIMS = ['x-forwarded-client-cert', 'l5d-client-id', 'client-cert'];

/** How long a mesh that is open while it starts stays so, and longer if nobody comes. */
const STARTING_MS = 250;

function denial({ protocol }: Call, request: ModelRequest): Answer {
  if (!request.http) return { error: 'closed' };
  return protocol === 'grpc' ? { status: 200, grpc: 7 } : { status: 403, reason: 'ACCESS_DENIED' };
}
