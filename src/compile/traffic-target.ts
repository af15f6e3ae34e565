import type { Diagnostic } from '../base/diagnostic.ts';
import type { HttpMatch, PolicyMode } from '../mesh/resources.ts';
import { parseSpiffeId, spiffeId } from '../mesh/spiffe.ts';
import type { IdentitySubject, TrafficTarget, TrafficTargetRule } from '../spec/smi.ts';
import { about, type Finding } from './finding.ts';
import type { CompiledGroup } from './http-route-group.ts';
import type { CompiledBinding } from './identity-binding.ts';
import type { CompiledTcpRoute } from './tcp-route.ts';
import * as say from './traffic-target-findings.ts';
import type { CompiledUdpRoute } from './udp-route.ts';

/** What a TrafficTarget grants, before its ports are mapped for a pod. */
export interface Grant {
  /** `TrafficTarget shop/web-to-cart` */
  readonly name: string;
  readonly principals: readonly string[];
  /** UIDs of pods that may call besides. */
  readonly pods: readonly string[];
  /** Service ports; undefined = every port. */
  readonly ports: readonly number[] | undefined;
  /** Undefined = any bytes. */
  readonly http: readonly HttpMatch[] | undefined;
}

export interface CompiledTarget {
  readonly destination: Destination;
  /** Undefined when nothing is granted; the diagnostics say why. */
  readonly grant: Grant | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Whose pods a target opens, and which. */
export interface Destination {
  /** `namespace/name` of ServiceAccounts. */
  readonly accounts: readonly string[];
  /** `namespace/name` of pods. */
  readonly pods: readonly string[];
}

/** What targets refer to; routes are in the target's own namespace (`smi.md` A5). */
export interface TargetContext {
  readonly trustDomain: string;
  /** Of the target's namespace. */
  readonly mode: PolicyMode;
  readonly group: (name: string) => CompiledGroup | undefined;
  readonly tcpRoute: (name: string) => CompiledTcpRoute | undefined;
  readonly udpRoute: (name: string) => CompiledUdpRoute | undefined;
  /** Whether a ServiceAccount exists, or a pod runs as it. */
  readonly isAccount: (key: string) => boolean;
  /** By `namespace/name`. */
  readonly binding: (key: string) => CompiledBinding | undefined;
}

/** Whom a subject stands for. */
type Identities = Pick<CompiledBinding, 'accounts' | 'principals' | 'pods'>;

const NOBODY: Identities = { accounts: [], principals: [], pods: [] };

/** The routes of the rules by layer. A layer that no rule names is undefined and restricts nothing (`smi.md` A6). */
interface Layers {
  /** A rule is of a kind that nobody knows: it may have been meant to narrow, so the target grants nothing. */
  unknown: boolean;
  http: HttpMatch[] | undefined;
  tcp: { ports: number[]; everyPort: boolean } | undefined;
}

/** One target's meaning. A part that is wrong grants nothing, and the other parts stay (`smi.md` A10). */
export function compileTarget(target: TrafficTarget, context: TargetContext): CompiledTarget {
  const diagnostics: Diagnostic[] = [];
  const report = (finding: Finding) => diagnostics.push(about(target, finding));
  const { spec } = target;
  if (spec === undefined) {
    report(
      say.empty('SMI1101', 'spec', 'the target has no spec', 'write spec.destination, spec.sources and spec.rules'),
    );
    return { destination: { accounts: [], pods: [] }, grant: undefined, diagnostics };
  }
  const destination = destinationOf(target, spec.destination, context, report);
  const callers = callersOf(target, spec.sources ?? [], context, report);
  const layers = layersOf(spec.rules ?? [], context, report);
  const opens = destination.accounts.length > 0 || destination.pods.length > 0;
  const grant = opens ? grantOf(target, callers, layers, report) : undefined;
  if (grant !== undefined && context.mode === 'permissive') report(say.notEnforced(target.metadata.namespace));
  return { destination, grant, diagnostics };
}

type Report = (finding: Finding) => void;

function grantOf(
  target: TrafficTarget,
  { principals, pods }: Callers,
  { unknown, http, tcp }: Layers,
  report: Report,
): Grant | undefined {
  const { namespace, name } = target.metadata;
  const tcpPorts = tcp === undefined || tcp.everyPort ? undefined : [...new Set(tcp.ports)].sort((a, b) => a - b);
  if (unknown || (http === undefined && tcp === undefined)) return undefined;
  if (http?.length === 0 || tcpPorts?.length === 0) {
    if (http !== undefined && tcp !== undefined) report(say.emptyLayer(http.length === 0));
    return undefined;
  }
  const { port } = target.spec?.destination ?? {};
  if (port !== undefined && tcpPorts?.includes(port) === false) {
    report(say.otherPort(port, tcpPorts));
    return undefined;
  }
  if (principals.length === 0 && pods.length === 0) return undefined;
  const ports = port === undefined ? tcpPorts : [port];
  return { name: `TrafficTarget ${namespace}/${name}`, principals, pods, ports, http };
}

function destinationOf(
  target: TrafficTarget,
  subject: IdentitySubject,
  context: TargetContext,
  report: Report,
): Destination {
  const own = target.metadata.namespace;
  const path = 'spec.destination';
  const namespace = subject.namespace || own; // A3
  if (namespace !== own) {
    report(say.otherNamespace(`${path}.namespace`, namespace, own));
    return { accounts: [], pods: [] };
  }
  const { accounts, pods } = identitiesOf(subject, namespace, path, context, report);
  return { accounts, pods: pods.map(({ key }) => key) };
}

type Callers = Pick<Grant, 'principals' | 'pods'>;

function callersOf(
  target: TrafficTarget,
  sources: readonly IdentitySubject[],
  context: TargetContext,
  report: Report,
): Callers {
  if (sources.length === 0) {
    report(say.empty('SMI1105', 'spec.sources', 'the target has no sources', 'add the ServiceAccounts that may call'));
  }
  const callers = sources.map((source, i) =>
    identitiesOf(source, source.namespace || target.metadata.namespace, `spec.sources[${i}]`, context, report),
  );
  const principals = new Set(callers.flatMap((each) => each.principals));
  const pods = new Set(callers.flatMap((each) => each.pods.map(({ uid }) => uid)));
  return { principals: [...principals].sort(), pods: [...pods].sort() };
}

/** Whom a subject stands for; nobody, with the reason reported, when it can be nobody. */
function identitiesOf(
  subject: IdentitySubject,
  namespace: string,
  path: string,
  { trustDomain, isAccount, binding }: TargetContext,
  report: Report,
): Identities {
  const key = `${namespace}/${subject.name}`;
  if (subject.kind === 'IdentityBinding') {
    const known = binding(key);
    if (known === undefined) report(say.missingBinding(key, path));
    return known ?? NOBODY;
  }
  if (subject.kind !== 'ServiceAccount') {
    report(say.subjectKind(path, subject.kind));
    return NOBODY;
  }
  const identity = spiffeId({ trustDomain, namespace, serviceAccount: subject.name });
  if (parseSpiffeId(identity) === undefined) {
    report(say.nobody(`${path}.name`, key));
    return NOBODY;
  }
  if (!isAccount(key)) report(say.unknownAccount(namespace, subject.name, path));
  return { accounts: [key], principals: [identity], pods: [] };
}

function layersOf(rules: readonly TrafficTargetRule[], context: TargetContext, report: Report): Layers {
  if (rules.length === 0) {
    report(
      say.empty(
        'SMI1106',
        'spec.rules',
        'the target has no rules',
        'add a rule that names an HTTPRouteGroup or TCPRoute',
      ),
    );
  }
  const layers: Layers = { unknown: false, http: undefined, tcp: undefined };
  rules.forEach((rule, i) => addRule(layers, rule, `spec.rules[${i}]`, context, report));
  return layers;
}

/** A rule that is wrong still makes its layer exist: without that, the other layer alone would grant more (A6, A10). */
function addRule(layers: Layers, rule: TrafficTargetRule, path: string, context: TargetContext, report: Report): void {
  if (rule.matches?.length === 0) report(say.noEntries(path));
  switch (rule.kind) {
    case 'HTTPRouteGroup':
      layers.http = union(layers.http ?? [], httpMatches(rule, path, context, report));
      return;
    case 'TCPRoute': {
      layers.tcp ??= { ports: [], everyPort: false };
      const route = tcpRoute(rule, path, context, report);
      if (route === undefined) return;
      if (route.ports === undefined) layers.tcp.everyPort = true;
      else layers.tcp.ports.push(...route.ports);
      return;
    }
    case 'UDPRoute':
      if (context.udpRoute(rule.name) === undefined) report(say.missingRoute(rule, path));
      report(say.udpNotCarried(path));
      return;
    default:
      layers.unknown = true;
      report(say.ruleKind(`${path}.kind`, rule.kind));
  }
}

function httpMatches(rule: TrafficTargetRule, path: string, context: TargetContext, report: Report): HttpMatch[] {
  const group = context.group(rule.name);
  if (group === undefined) {
    report(say.missingRoute(rule, path));
    return [];
  }
  if (rule.matches === undefined) return [...group.all];
  return rule.matches.flatMap((name, i) => {
    const entries = group.byName.get(name);
    if (entries === undefined) report(say.missingEntry(rule, name, `${path}.matches[${i}]`, [...group.byName.keys()]));
    return entries ?? [];
  });
}

/** A TCPRoute has at most one entry, and a name for it only with some clients: a rule that asks for another gets none. */
function tcpRoute(
  rule: TrafficTargetRule,
  path: string,
  context: TargetContext,
  report: Report,
): CompiledTcpRoute | undefined {
  const route = context.tcpRoute(rule.name);
  if (route === undefined) {
    report(say.missingRoute(rule, path));
    return undefined;
  }
  if (rule.matches === undefined) return route;
  const unknown = rule.matches.filter((name) => name !== route.entry);
  for (const name of unknown) report(say.missingEntry(rule, name, `${path}.matches`, route.entry ? [route.entry] : []));
  return rule.matches.length > unknown.length ? route : undefined;
}

function union(a: readonly HttpMatch[], b: readonly HttpMatch[]): HttpMatch[] {
  return [...new Set([...a, ...b])];
}
