/** A pod that UDP may reach: on every port, or on some only. */
export interface UdpOpening {
  readonly address: string;
  readonly ports: readonly number[] | 'all';
}

/** Of all pods: 10.244.0.0/16 (plan.ts). */
const PODS = '10.244.0.0/16';

/**
 * Commands for the mesh namespace that keep UDP from pods. The sidecars do not carry it, so where policy is `deny` it must
 * not pass them by; the packet filter knows addresses and no identities, so nobody gets in there. Closed is what is not
 * opened, a pod that has just been made included. What answers a pod passes: not as an established flow, which would
 * outlive a change of policy, but as the reply direction of one.
 */
export function udpCommands(openings: readonly UdpOpening[], redirect: 'nft' | 'iptables'): string {
  return redirect === 'nft' ? nftCommands(openings) : iptablesCommands(openings);
}

function nftCommands(openings: readonly UdpOpening[]): string {
  const rules = openings.flatMap(({ address, ports }) => {
    if (ports === 'all') return [`    ip daddr ${address} accept`];
    return ports.length === 0 ? [] : [`    ip daddr ${address} udp dport { ${ports.join(', ')} } accept`];
  });
  return [
    "nft -f - <<'RULES'", // one transaction
    'table ip udp {}',
    'delete table ip udp',
    'table ip udp {',
    '  chain forward {',
    '    type filter hook forward priority 0;',
    '    meta l4proto != udp accept',
    '    ct direction reply accept',
    ...rules,
    `    ip daddr ${PODS} drop`,
    '  }',
    '}',
    'RULES',
  ].join('\n');
}

function iptablesCommands(openings: readonly UdpOpening[]): string {
  const rules = openings.flatMap(({ address, ports }) => {
    if (ports === 'all') return [`-A FORWARD -d ${address}/32 -p udp -j ACCEPT`];
    return ports.map((port) => `-A FORWARD -d ${address}/32 -p udp --dport ${port} -j ACCEPT`);
  });
  return [
    "iptables-restore <<'RULES'",
    '*filter',
    '-A FORWARD -p udp -m conntrack --ctdir REPLY -j ACCEPT',
    ...rules,
    `-A FORWARD -d ${PODS} -p udp -j DROP`,
    'COMMIT',
    'RULES',
  ].join('\n');
}
