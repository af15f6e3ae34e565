import type { CompileResult } from '../../src/compile/compile.ts';
import { accessMatcher, type AccessPeer } from '../../src/mesh/access.ts';
import { normaliseTarget, pathOf } from '../../src/mesh/path.ts';
import { spiffeId } from '../../src/mesh/spiffe.ts';

/** Each ServiceAccount as a pod of the sample has it, and as a certificate that names no pod. */
const PEERS = ['shop', 'other'].flatMap((namespace) =>
  ['a', 'b', 'c'].flatMap((serviceAccount): AccessPeer[] => {
    const identity = spiffeId({ trustDomain: 'weft.local', namespace, serviceAccount });
    // uids as in `populated`
    return [undefined, `${namespace}-${serviceAccount}`].map((pod) => ({ identity, pod }));
  }),
);
const PORTS = [80, 8080, 9090, 15020];
const TARGETS = ['/', '/api/1', '/x', '/a'];
const HEADERS: readonly (readonly string[])[] = [[], ['x-a', '1', 'x-b', '2']];

/** Everything that the compiled mesh lets in by its rules, whatever the mode, out of a fixed sample of questions. */
export function allowedSet({ mesh }: CompileResult): Set<string> {
  const allowed = new Set<string>();
  for (const [pod, { inbound }] of mesh.workloads) {
    const access = accessMatcher(inbound);
    for (const peer of PEERS) {
      for (const port of PORTS) {
        const who = `${peer.identity} ${peer.pod}`;
        if (access.tcp(peer, port) !== undefined) allowed.add(`${who} ${pod}:${port} tcp`);
        for (const target of TARGETS) {
          for (const method of ['GET', 'POST', 'PROPFIND']) {
            for (const headers of HEADERS) {
              const path = pathOf(normaliseTarget(target) ?? '');
              if (access.http(peer, port, method, path, 'a', headers) === undefined) continue;
              allowed.add(`${who} ${pod}:${port} ${method} ${target} ${headers.join()}`);
            }
          }
        }
      }
    }
  }
  return allowed;
}
