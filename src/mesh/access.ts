import { httpMatcher, type HttpMatcher } from './http-matcher.ts';
import { pathOf } from './path.ts';
import type { AccessRule, InboundProbe, InboundResource, PolicyMode } from './resources.ts';

/** Who asks, as far as a verified certificate says it. */
export interface AccessPeer {
  /** SPIFFE ID; undefined without one. */
  readonly identity: string | undefined;
  /** UID of the pod that the certificate was issued to; undefined when it does not say. */
  readonly pod: string | undefined;
}

/**
 * Answers, for one version of a pod's inbound policy, who may do what. It only says what is granted: what happens
 * without a grant is the mode's business (deny refuses, audit counts, permissive does not ask).
 * Answers are names for explain, logs and metrics: `TrafficTarget shop/web-to-cart`.
 */
export interface AccessMatcher {
  readonly mode: PolicyMode;

  /**
   * Whether HTTP rules are enforced on a port (in `deny` and `audit`): requests must then be parsed, and their targets
   * brought to normal form, refused as PATH_REJECTED when they have none, and forwarded in that form.
   */
  enforcesHttp(port: number): boolean;

  /** Whether a connection without identity has to be parsed, because one of the pod's own HTTP or gRPC probes is there. */
  hasHttpProbe(port: number): boolean;

  /**
   * The rule that lets a request in, or undefined. `path` is the normal form without query where `enforcesHttp`, else as
   * it came. Grants of any bytes allow HTTP as well (`smi.md` A6).
   */
  http(
    peer: AccessPeer,
    port: number,
    method: string,
    path: string,
    authority: string,
    headers: readonly string[],
  ): string | undefined;

  /** The rule that lets any bytes in, or undefined. Rules for HTTP do not grant raw TCP (`smi.md` A7). */
  tcp(peer: AccessPeer, port: number): string | undefined;

  /**
   * The pod's own probe that a request without identity is, or undefined (`smi.md` A15): exactly its port, path and
   * method. The same in every mode.
   */
  httpProbe(port: number, method: string, path: string): string | undefined;

  /**
   * The pod's own TCP probe on that port, or undefined. It exempts the opening of a connection and nothing else: a
   * caller without a grant is connected through so that the kubelet sees the truth, and its first byte ends it.
   */
  tcpProbe(port: number): string | undefined;
}

/**
 * Compiles a pod's inbound policy; all parsing and regex work happens here, once per configuration.
 * @throws PatternError when a pattern is none (see `httpMatcher`)
 */
export function accessMatcher(inbound: InboundResource): AccessMatcher {
  return new CompiledAccess(inbound);
}

interface CompiledRule {
  readonly name: string;
  readonly rule: AccessRule;
  /** Undefined = every port. */
  readonly ports: readonly number[] | undefined;
  /** Undefined = any bytes. */
  readonly http: HttpMatcher | undefined;
}

const NO_PODS: readonly string[] = [];

class CompiledAccess implements AccessMatcher {
  readonly mode: PolicyMode;
  /** Grants of any bytes come first: they are the cheaper answer. */
  readonly #byIdentity: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly #byPod: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly #httpPorts: ReadonlySet<number>;
  readonly #httpEverywhere: boolean;
  readonly #probes: readonly InboundProbe[];

  constructor(inbound: InboundResource) {
    this.mode = inbound.mode;
    const rules = compiledRules(inbound.rules);
    this.#byIdentity = rulesBy(rules, ({ rule }) => rule.principals);
    this.#byPod = rulesBy(rules, ({ rule }) => rule.pods ?? NO_PODS);
    const http = inbound.mode === 'permissive' ? [] : inbound.rules.filter((rule) => rule.http !== undefined);
    this.#httpEverywhere = http.some((rule) => rule.ports === undefined);
    this.#httpPorts = new Set(http.flatMap((rule) => rule.ports ?? []));
    this.#probes = inbound.probes;
  }

  enforcesHttp(port: number): boolean {
    return this.#httpEverywhere || this.#httpPorts.has(port);
  }

  hasHttpProbe(port: number): boolean {
    return this.#probes.some((probe) => probe.type !== 'tcp' && probe.port === port);
  }

  http(
    peer: AccessPeer,
    port: number,
    method: string,
    path: string,
    authority: string,
    headers: readonly string[],
  ): string | undefined {
    if (peer.identity === undefined) return undefined;
    const byIdentity = this.#byIdentity.get(peer.identity);
    const granted = byIdentity && grantOfHttp(byIdentity, port, method, path, authority, headers);
    if (granted !== undefined || peer.pod === undefined) return granted;
    const byPod = this.#byPod.get(peer.pod);
    return byPod && grantOfHttp(byPod, port, method, path, authority, headers);
  }

  tcp(peer: AccessPeer, port: number): string | undefined {
    if (peer.identity === undefined) return undefined;
    const byIdentity = this.#byIdentity.get(peer.identity);
    const granted = byIdentity && grantOfTcp(byIdentity, port);
    if (granted !== undefined || peer.pod === undefined) return granted;
    const byPod = this.#byPod.get(peer.pod);
    return byPod && grantOfTcp(byPod, port);
  }

  httpProbe(port: number, method: string, path: string): string | undefined {
    for (const probe of this.#probes) {
      if (probe.port !== port) continue;
      if (probe.type === 'http' && method === 'GET' && pathOf(probe.path ?? '/') === path) return 'probe http';
      if (probe.type === 'grpc' && method === 'POST' && path === GRPC_HEALTH_CHECK) return 'probe grpc';
    }
    return undefined;
  }

  tcpProbe(port: number): string | undefined {
    for (const probe of this.#probes) if (probe.type === 'tcp' && probe.port === port) return 'probe tcp';
    return undefined;
  }
}

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md: what kubelets call. */
const GRPC_HEALTH_CHECK = '/grpc.health.v1.Health/Check';

function grantOfHttp(
  rules: readonly CompiledRule[],
  port: number,
  method: string,
  path: string,
  authority: string,
  headers: readonly string[],
): string | undefined {
  for (const rule of rules) {
    if (rule.ports !== undefined && !rule.ports.includes(port)) continue;
    if (rule.http === undefined || rule.http(method, path, authority, headers)) return rule.name;
  }
  return undefined;
}

function grantOfTcp(rules: readonly CompiledRule[], port: number): string | undefined {
  for (const rule of rules) {
    if (rule.http !== undefined) return undefined; // sorted: only HTTP rules follow
    if (rule.ports === undefined || rule.ports.includes(port)) return rule.name;
  }
  return undefined;
}

function compiledRules(rules: readonly AccessRule[]): CompiledRule[] {
  const anyBytesFirst = [...rules.filter((r) => r.http === undefined), ...rules.filter((r) => r.http !== undefined)];
  return anyBytesFirst.map((rule) => ({
    name: rule.name,
    rule,
    ports: rule.ports,
    http: rule.http === undefined ? undefined : httpMatcher(rule.http),
  }));
}

function rulesBy(
  rules: readonly CompiledRule[],
  peersOf: (compiled: CompiledRule) => readonly string[],
): Map<string, CompiledRule[]> {
  const byPeer = new Map<string, CompiledRule[]>();
  for (const compiled of rules) {
    for (const peer of new Set(peersOf(compiled))) {
      const list = byPeer.get(peer);
      if (list === undefined) byPeer.set(peer, [compiled]);
      else list.push(compiled);
    }
  }
  return byPeer;
}
