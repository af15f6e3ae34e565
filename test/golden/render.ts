import type { Diagnostic } from '../../src/base/diagnostic.ts';
import { objectName } from '../../src/base/diagnostic.ts';
import type { CompileResult } from '../../src/compile/compile.ts';
import type { MeshWorkload } from '../../src/mesh/mesh.ts';
import type {
  AccessRule,
  EndpointsResource,
  HttpMatch,
  Route,
  ServicePort,
  ServiceResource,
} from '../../src/mesh/resources.ts';
import { parseSpiffeId } from '../../src/mesh/spiffe.ts';

/** The decisions about one thing: a headline, and lines below it. */
export interface Block {
  readonly title: string;
  readonly lines: readonly string[];
}

/** A compiled mesh as compact text that people can review. */
export function render({ mesh }: CompileResult): Block[] {
  return [
    ...[...mesh.services.values()].map(renderService),
    ...[...mesh.endpoints.values()].map(renderEndpoints),
    ...[...mesh.workloads].map(([key, workload]) => renderInbound(key, workload)),
  ].sort((a, b) => (a.title < b.title ? -1 : 1));
}

export function renderDiagnostic(d: Diagnostic): Block {
  return {
    title: [d.level, d.code, objectName(d.object), d.path].filter((part) => part !== '').join(' '),
    lines: [d.message, `fix: ${d.fix}`],
  };
}

function renderService(service: ServiceResource): Block {
  const address = service.addresses.length === 0 ? 'no address' : service.addresses.join(', ');
  return {
    title: `service ${service.namespace}/${service.name} (${address})`,
    lines: service.ports.flatMap((port) => renderPort(port, service.namespace)),
  };
}

function renderPort(port: ServicePort, namespace: string): string[] {
  return [`port ${port.number} ${port.protocol}`, ...port.routes.map((route) => `  ${renderRoute(route, namespace)}`)];
}

function renderRoute(route: Route, namespace: string): string {
  const when = route.matches === undefined ? '' : ` when ${renderMatches(route.matches)}`;
  const backends = route.backends.map((b) => {
    const name = b.namespace === namespace ? b.service : `${b.namespace}/${b.service}`;
    return `${name}:${b.port} ${b.weight}`;
  });
  return `${route.name}${route.tcp ? ', tcp too' : ''}${when} -> ${backends.join(', ') || 'nobody'}`;
}

function renderMatches(matches: readonly HttpMatch[]): string {
  return matches.map(renderMatch).join(' or ') || 'never';
}

function renderMatch({ name, methods, pathRegex, headers = [] }: HttpMatch): string {
  const parts = [
    ...(methods === undefined ? [] : [methods.join('|')]),
    ...(pathRegex === undefined ? [] : [`path ~ ${pathRegex}`]),
    ...headers.map(([header, regex]) => `${header} ~ ${regex}`),
  ];
  return `${name}(${parts.join(', ')})`;
}

function renderEndpoints({ key, endpoints }: EndpointsResource): Block {
  const lines = endpoints.map(({ address, port, identity, labels }) => {
    const who = identity === undefined ? 'plain' : shortIdentity(identity);
    const what = labels === undefined ? '' : ` (${labels.ownerKind} ${labels.owner})`;
    return `${address}:${port} ${who}${what}`;
  });
  return { title: key.replaceAll('/', ' ').replace(/ (\S+) (\S+) (\d+)$/, ' $1/$2:$3'), lines };
}

function renderInbound(key: string, { inbound, workload }: MeshWorkload): Block {
  const ports = inbound.ports.map(({ number, protocol }) => `${number} ${protocol}`);
  return {
    title: `inbound ${key} (${inbound.mode})`,
    lines: [
      `is ${shortIdentity(workload.identity)}, ${workload.labels.ownerKind} ${workload.labels.owner}`,
      ...(ports.length === 0 ? [] : [`ports ${ports.join(', ')}`]),
      ...inbound.rules.map(renderRule),
      ...inbound.probes.map((p) => `probe ${p.type} ${p.port}${p.path === undefined ? '' : ` ${p.path}`}`),
    ],
  };
}

function renderRule({ name, principals, pods = [], ports, http }: AccessRule): string {
  const on = ports === undefined ? '' : ` on ${ports.join(', ')}`;
  const when = http === undefined ? ' any bytes' : ` HTTP ${renderMatches(http)}`;
  const callers = [...principals.map(shortIdentity), ...pods.map((uid) => `pod #${uid}`)];
  return `${name}: ${callers.join(', ')}${on}${when}`;
}

function shortIdentity(id: string): string {
  const parsed = parseSpiffeId(id);
  if (parsed === undefined) return id;
  return `${parsed.namespace}/${parsed.serviceAccount}`;
}
