import type { FaultName } from '../conformance/faults.ts';
import type { Edit } from './broken-checkout.ts';

/**
 * What of Weft's sources makes it the broken mesh that `test/conformance/faults.ts` describes. Faults that would take a
 * mesh of another build (callers known by address, proxies that are open until they have their policy or when they have
 * lost the control plane) are the model's alone.
 */
export const MESH_FAULTS: Readonly<Partial<Record<FaultName, readonly Edit[]>>> = {
  'allow-everything': [
    {
      file: 'src/proxy/filter/inbound.ts',
      from: `if (policy.mode === 'permissive') return undefined;`,
      to: `return undefined;`,
    },
  ],
  'deny-everything': [
    {
      file: 'src/compile/inbound.ts',
      from: `    mode,
    ports: inboundPorts(pod, facts, services),
    rules: grants.flatMap((grant) => ruleFor(grant, pod, services)),`,
      to: `    mode: 'deny',
    ports: inboundPorts(pod, facts, services),
    rules: [],`,
    },
  ],
  'ignore-splits': [
    { file: 'src/compile/service-stages.ts', from: `const plan = roots.get(key);`, to: `const plan = undefined;` },
  ],
  'ignore-matches': [
    {
      file: 'src/mesh/http-matcher.ts',
      from: `    if (this.#methods !== undefined && !this.#methods.includes(method)) return false;`,
      to: `    return true;`,
    },
  ],
  'split-per-connection': [
    {
      file: 'src/proxy/filter/outbound.ts',
      from: `      const chosen = exchange.kind === 'http' ? routed.chooseHttp(exchange.head, random) : routed.chooseTcp(random);`,
      // All requests of a connection share their peer object. A connection to an explicit proxy may go to many Services.
      to: `      const keptByService = (exchange.peer.kept ??= new Map());
      const chosen =
        keptByService.get(routed.name) ??
        (exchange.kind === 'http' ? routed.chooseHttp(exchange.head, random) : routed.chooseTcp(random));
      keptByService.set(routed.name, chosen);`,
    },
  ],
  'trust-forged-identity': [
    { file: 'src/proxy/headers.ts', from: `new Set(['x-forwarded-client-cert', `, to: `new Set([` },
    {
      file: 'src/proxy/filter/inbound.ts',
      from: `  const { peer, head } = exchange;
  const { port } = exchange.destination!;`,
      to: `  const { head } = exchange;
  const claimed = /URI=([^;,]+)/.exec(header(head.headers, 'x-forwarded-client-cert') ?? '')?.[1];
  const peer = { identity: claimed ?? exchange.peer.identity, pod: exchange.peer.pod };
  const { port } = exchange.destination!;`,
    },
  ],
  'ignore-bindings': [
    {
      file: 'src/compile/traffic-target.ts',
      from: `    const known = binding(key);`,
      to: `    const known = undefined;`,
    },
  ],
  'convert-widens': [
    {
      file: 'src/spec/conversion/kept.ts',
      from: `  return { content, older: parsed(annotations[KEPT_OLDER]), newer: parsed(annotations[KEPT_NEWER]) };`,
      to: `  return { content, older: {}, newer: {} };`,
    },
  ],
  'say-nothing': [
    {
      file: 'src/kubernetes/reporter.ts',
      from: `      if (leading.current() !== true) {`,
      to: `      if (report !== undefined) {`,
    },
  ],
};
