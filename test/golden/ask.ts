import type { CompileResult } from '../../src/compile/compile.ts';
import { accessMatcher, type AccessPeer } from '../../src/mesh/access.ts';
import { httpMatcher } from '../../src/mesh/http-matcher.ts';
import { normaliseTarget, pathOf, routablePath } from '../../src/mesh/path.ts';
import { spiffeId } from '../../src/mesh/spiffe.ts';

/**
 * A question to the compiled mesh, as a line of a case (a caller `shop/web#uid` is the pod with that UID):
 *   `shop/web -> shop/api-1:8080 GET /x host=a name=value ...`   what the policy of that pod says
 *   `shop/web -> shop/api-1:8080 tcp`                            the same for raw bytes; `nobody` has no identity
 *   `checkout.shop:80 GET / name=value` or `checkout.shop:80 tcp`  which route a call of a Service takes
 */
export function ask(result: CompileResult, question: string): string {
  const [from = '', arrow, to = '', ...request] = question.split(/\s+/);
  if (arrow === '->') return askPolicy(result, from, to, request);
  return askRoute(result, from, [arrow ?? '', to, ...request].filter((word) => word !== ''));
}

function askPolicy({ mesh }: CompileResult, from: string, to: string, request: readonly string[]): string {
  const [pod = '', portText = ''] = to.split(':');
  const workload = mesh.workloads.get(pod);
  if (workload === undefined) return 'not in the mesh';
  const access = accessMatcher(workload.inbound);
  const port = Number(portText);
  const peer = peerOf(from);
  const [method = '', target = '/', ...words] = request;
  if (method === 'tcp') return access.tcp(peer, port) ?? 'denied';
  const path = access.enforcesHttp(port) ? normaliseTarget(target) : target;
  if (path === undefined) return 'rejected (400)';
  const { authority, headers } = headersOf(words);
  if (peer.identity === undefined) return access.httpProbe(port, method, pathOf(path)) ?? 'denied';
  return access.http(peer, port, method, pathOf(path), authority, headers) ?? 'denied';
}

function askRoute({ mesh }: CompileResult, to: string, request: readonly string[]): string {
  const [host = '', port = ''] = to.split(':');
  const service = [...mesh.services.values()].find((s) => s.hostnames.includes(host));
  const routes = service?.ports.find((p) => p.number === Number(port))?.routes;
  if (routes === undefined) return 'unknown';
  const [method = '', target = '/', ...words] = request;
  const { authority, headers } = headersOf(words, host);
  const route = routes.find((r) =>
    method === 'tcp' ? r.tcp : httpMatcher(r.matches)(method, routablePath(target), authority, headers),
  );
  if (route === undefined) return 'no route';
  const backends = route.backends.filter((b) => b.weight > 0).map((b) => b.service);
  return `${route.name} -> ${backends.join(', ') || 'nobody (503)'}`;
}

function peerOf(name: string): AccessPeer {
  const [namespace = '', serviceAccount = '', pod] = name.split(/[/#]/);
  if (name === 'nobody') return { identity: undefined, pod: undefined };
  return { identity: spiffeId({ trustDomain: 'weft.local', namespace, serviceAccount }), pod };
}

/** `host=` is the authority, everything else a header; `_` stands for a blank. */
function headersOf(words: readonly string[], host = 'api.shop'): { authority: string; headers: string[] } {
  let authority = host;
  const headers: string[] = [];
  for (const word of words) {
    const [name = '', value = ''] = word.split(/=(.*)/);
    if (name === 'host') authority = value;
    else headers.push(name, value.replaceAll('_', ' '));
  }
  return { authority, headers };
}
