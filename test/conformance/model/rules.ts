import type { Call } from '../../../conformance/testapp/protocol.ts';
import { podsOf, type Entry, type Stored, type Subject, type World } from './world.ts';

export interface ModelRequest {
  readonly http: boolean;
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** All values of a header, joined; undefined when it is absent. */
  header(name: string): string | undefined;
}

export function readRequest(call: Call, path: string): ModelRequest {
  const connect = call.bytes?.startsWith('CONNECT') === true;
  const headers = (call.headers ?? []).map(([name, value]) => [name.toLowerCase(), value] as const);
  const authority = call.authority ?? `${call.host}:${call.port}`;
  return {
    http: connect || !['tcp', 'tcp-first', 'raw'].includes(call.protocol),
    method: connect ? 'CONNECT' : (call.method ?? (call.protocol === 'grpc' ? 'POST' : 'GET')),
    path,
    headers,
    header(name) {
      if (name === 'host') return authority;
      const values = headers.filter(([given]) => given === name).map(([, value]) => value);
      return values.length === 0 ? undefined : values.join(', ');
    },
  };
}

/** The path in its one normal form with its query, or undefined when it has none. */
export function normalPath(raw: string): string | undefined {
  const [path = '', ...query] = raw.split('?');
  if (/%(?![0-9a-fA-F]{2})|%(?:2f|5c|00)/i.test(path)) return undefined;
  const plain = path.replace(/%([0-9a-fA-F]{2})/g, (whole, hex: string) => {
    const character = String.fromCharCode(parseInt(hex, 16));
    return /[\w.~-]/.test(character) ? character : whole;
  });
  const kept: string[] = [];
  for (const segment of plain.split('/').filter((part) => part !== '' && part !== '.'))
    if (segment === '..') kept.pop();
    else kept.push(segment);
  return ['/' + kept.join('/'), ...query].join('?');
}

export function matchesAny(entries: readonly Entry[], request: ModelRequest): boolean {
  return entries.some(({ pathRegex, methods, headers }) => {
    const path = (normalPath(request.path) ?? '').split('?')[0] ?? '';
    if (pathRegex !== undefined && !pathMatches(pathRegex, path)) return false;
    if (methods !== undefined && !methods.includes('*') && !methods.includes(request.method)) return false;
    const wanted = (Array.isArray(headers) ? headers : [headers ?? {}]).flatMap((map: object) => Object.entries(map));
    return wanted.every(([name, regex]) => {
      const value = request.header(name.toLowerCase());
      return value !== undefined && new RegExp(`^(?:${String(regex)})$`).test(value);
    });
  });
}

function pathMatches(regex: string, path: string): boolean {
  if (regex === '/(a+)+$') return /^\/a+$/.test(path); // the model uses a backtracking engine, which is the point of check 63
  return new RegExp(`^(?:${regex})`).test(path);
}

/** Who calls: a verified `namespace/serviceAccount`, and the labels of the pod that proved it. */
export interface Caller {
  readonly identity: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether a subject means somebody; IdentityBindings are looked up in the namespace that the subject says. */
function means(world: World, subject: Subject, own: string, who: Caller, ignoreBindings: boolean): boolean {
  const namespace = subject.namespace ?? own;
  if (subject.kind !== 'IdentityBinding') return `${namespace}/${subject.name}` === who.identity;
  if (ignoreBindings) return false;
  const { serviceAccount, spiffeIdentities, podLabelSelector } =
    world.get('IdentityBinding', namespace, subject.name)?.spec.schemes ?? {};
  if (typeof serviceAccount === 'string' && `${namespace}/${serviceAccount}` === who.identity) return true;
  const [of = '', account = ''] = who.identity.split('/');
  if (spiffeIdentities?.includes(`spiffe://cluster.local/ns/${of}/sa/${account}`) === true) return true;
  const wanted = Object.entries(podLabelSelector?.matchLabels ?? {});
  const selected = wanted.length > 0 && wanted.every(([name, value]) => who.labels[name] === value);
  return selected && who.namespace === namespace;
}

export function callerOf({ metadata, spec }: Stored): Caller {
  const { namespace, labels = {} } = metadata;
  return { identity: `${namespace}/${spec.serviceAccountName}`, namespace, labels };
}

export interface Ignored {
  /** Every HTTP match holds. */
  readonly matches: boolean;
  readonly bindings: boolean;
}

/** Whether a target of the pod's namespace lets this caller in (docs/smi.md 2.1, A3-A12). */
export function admits(
  world: World,
  caller: Caller,
  pod: Stored,
  port: number,
  request: ModelRequest,
  ignored: Ignored,
): boolean {
  const { namespace } = pod.metadata;
  const self = callerOf(pod);
  return world.list('TrafficTarget', namespace).some(({ spec }) => {
    const { destination, sources = [], rules = [] } = spec;
    if (destination === undefined || (destination.namespace ?? namespace) !== namespace) return false;
    if (!means(world, destination, namespace, self, ignored.bindings)) return false;
    if (!sources.some((source) => means(world, source, namespace, caller, ignored.bindings))) return false;
    const mapsTo = (number: number) => containerPorts(world, pod, number).includes(port);
    if (destination.port !== undefined && !mapsTo(destination.port)) return false;
    const tcp = rules.filter(({ kind }) => kind === 'TCPRoute');
    const http = rules.filter(({ kind }) => kind === 'HTTPRouteGroup');
    const onPort = tcp.some(({ name: route }) => {
      const ports = world.get('TCPRoute', namespace, route)?.spec.matches?.ports;
      return ports !== undefined && (ports.length === 0 || ports.some(mapsTo));
    });
    const entries = http.flatMap(({ name: group, matches }) =>
      (world.get('HTTPRouteGroup', namespace, group)?.spec.matches ?? []).filter(
        (entry) => matches === undefined || matches.includes(entry.name),
      ),
    );
    const matching = request.http && (ignored.matches ? entries.length > 0 : matchesAny(entries, request));
    return (tcp.length === 0 || onPort) && (http.length === 0 ? tcp.length > 0 : matching);
  });
}

/** A number of a TCPRoute is a port of the Services in front of the pod; a container port when none of them has it. */
function containerPorts(world: World, pod: Stored, number: number): number[] {
  const mapped = world
    .list('Service', pod.metadata.namespace)
    .filter((service) => podsOf(world, service).includes(pod))
    .flatMap(({ spec }) =>
      (spec.ports ?? []).filter(({ port }) => port === number).map(({ targetPort }) => targetPort),
    );
  return mapped.length > 0 ? mapped : [number];
}
