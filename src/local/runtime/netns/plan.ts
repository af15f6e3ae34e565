import { udpCommands } from './udp-rules.ts';

/**
 * The network of one mesh in isolation `netns`. Nothing of it is in the machine's own network.
 *
 *   mesh namespace: the agent; owns GATEWAY; routes between pods; probes come from here
 *     | veth, one per pod
 *   sidecar namespace of a pod: the sidecar; everything that passes is redirected to it
 *     | veth
 *   app namespace of a pod: owns the pod's address; the containers
 *
 * The sidecar has a namespace of its own in the way between app and mesh, so that its own connections need no exemption
 * by user id: an unprivileged user namespace has one user id only. What the sidecar sees is what it sees in a cluster:
 * redirected connections with their original destination. A pod without sidecar is an app namespace alone.
 */
export const GATEWAY = '10.244.0.1';
/** `kubectl port-forward` comes from here: straight to the app, or to the sidecar's admin listener as if from loopback. */
export const FORWARDER = '10.244.0.2';
/** The router that each app namespace sees: the same link-local address in every pod. */
export const LINK = '169.254.7.1';

const OUTBOUND_PORT = 15001;
const INBOUND_PORT = 15006;
const TUNNEL_PORT = 15008;
export const ADMIN_PORT = 15020;
/** Mark and routing table of packets for the sidecar itself; both are seen in its namespace only. */
const OWN_MARK = 1;
const OWN_TABLE = 100;

/** The pod's address for a running number, 10.244.1.0 and up. */
export function podAddress(number: number): string {
  return `10.244.${1 + (number >> 8)}.${number & 255}`;
}

/** How many pods one mesh can have at once. */
export const MAX_PODS = 254 * 256;

/** Shell commands for the mesh namespace itself. */
export function meshCommands(): string {
  return [
    'set -e',
    'ip link set lo up',
    `ip address add ${GATEWAY}/32 dev lo`,
    `ip address add ${FORWARDER}/32 dev lo`,
    ...sysctls(),
    // an address that nobody has is answered with "no route" instead of silence
    'ip route add unreachable default metric 4278198272',
  ].join('\n');
}

function sysctls(): string[] {
  return [
    'echo 1 > /proc/sys/net/ipv4/ip_forward',
    'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done', // replies go back where they came from
  ];
}

export interface PodPlan {
  readonly address: string;
  /** Name of the mesh namespace's end of the link, unique in it, 15 characters at most. */
  readonly link: string;
  /** Process that holds the app namespace. */
  readonly appPid: number;
  /** Process that holds the sidecar namespace; undefined for a pod without sidecar. */
  readonly sidecarPid: number | undefined;
  readonly skipInbound: readonly number[];
  readonly skipOutbound: readonly number[];
  readonly redirect: 'nft' | 'iptables';
}

/** Shell commands, run in the mesh namespace, that connect a pod. */
export function podCommands(plan: PodPlan): string {
  const { address, link, appPid, sidecarPid } = plan;
  const first = sidecarPid ?? appPid;
  const near = sidecarPid === undefined ? 'eth0' : 'mesh0';
  const lines = [
    'set -e',
    `ip link add ${link} type veth peer name ${near} netns ${first}`,
    `echo 0 > /proc/sys/net/ipv4/conf/${link}/rp_filter`,
    `ip link set ${link} up`,
    sidecarPid === undefined
      ? `ip route add ${address}/32 dev ${link} src ${GATEWAY}`
      : `ip route add ${address}/32 via ${LINK} dev ${link} onlink src ${GATEWAY}`,
  ];
  if (sidecarPid !== undefined) {
    lines.push(
      inside(sidecarPid, [
        `ip link add app0 type veth peer name eth0 netns ${appPid}`,
        'ip link set lo up',
        ...['mesh0', 'app0'].flatMap((dev) => [`ip address add ${LINK}/32 dev ${dev}`, `ip link set ${dev} up`]),
        `ip route add ${address}/32 dev app0`,
        `ip route add default via ${GATEWAY} dev mesh0 onlink`,
        ...sysctls(),
        // The sidecar's own ports are at the pod's address, though that address leads to the app: it is one of this
        // namespace (or replies could not carry it), but not routed here unless marked.
        `ip address add ${address}/32 dev lo`,
        `ip route del local ${address} dev lo table local`,
        'echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind',
        `ip rule add fwmark ${OWN_MARK} lookup ${OWN_TABLE}`,
        `ip route add local default dev lo table ${OWN_TABLE}`,
        redirection(plan),
      ]),
    );
  }
  const router = sidecarPid === undefined ? GATEWAY : LINK;
  lines.push(
    inside(appPid, [
      'ip link set lo up',
      'echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6 2>/dev/null || true', // no way around by link-local addresses
      `ip address add ${address}/32 dev eth0`,
      'ip link set eth0 up',
      `ip route add default via ${router} dev eth0 onlink src ${address}`,
    ]),
  );
  return lines.join('\n');
}

function inside(pid: number, commands: readonly string[]): string {
  return `nsenter --target ${pid} --net /bin/sh <<'WEFT'\nset -e\n${commands.join('\n')}\nWEFT`;
}

function redirection(plan: PodPlan): string {
  return plan.redirect === 'nft' ? nftRules(plan) : iptablesRules(plan);
}

/** All TCP of the app goes to the outbound port, all that comes for the pod to the inbound one. */
function nftRules({ address, skipInbound, skipOutbound }: PodPlan): string {
  const skip = (dev: string, ports: readonly number[]) =>
    ports.length === 0 ? [] : [`    iifname "${dev}" tcp dport { ${ports.join(', ')} } accept`];
  return [
    "nft -f - <<'RULES'",
    'table ip weft {',
    '  chain own {',
    '    type filter hook prerouting priority -150;',
    `    iifname "mesh0" tcp dport { ${TUNNEL_PORT}, ${ADMIN_PORT} } meta mark set ${OWN_MARK}`,
    '  }',
    // the pod that calls its own Service: its sidecar dials itself, by the pod's address
    '  chain itself {',
    '    type route hook output priority -150;',
    `    ip daddr ${address} tcp dport ${TUNNEL_PORT} meta mark set ${OWN_MARK}`,
    '  }',
    '  chain prerouting {',
    '    type nat hook prerouting priority -100;',
    `    meta mark ${OWN_MARK} accept`,
    `    iifname "mesh0" ip saddr ${FORWARDER} accept`,
    ...skip('mesh0', skipInbound),
    `    iifname "mesh0" meta l4proto tcp redirect to :${INBOUND_PORT}`,
    `    iifname "app0" ip daddr ${GATEWAY} accept`,
    `    iifname "app0" ip daddr ${LINK} tcp dport ${ADMIN_PORT} accept`,
    ...skip('app0', skipOutbound),
    `    iifname "app0" meta l4proto tcp redirect to :${OUTBOUND_PORT}`,
    '  }',
    '  chain input {',
    '    type nat hook input priority 100;',
    `    iifname "mesh0" ip saddr ${FORWARDER} tcp dport ${ADMIN_PORT} snat to 127.0.0.1`,
    `    iifname "app0" tcp dport ${ADMIN_PORT} snat to 127.0.0.1`,
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority 100;',
    `    oifname "mesh0" ip saddr ${LINK} snat to ${address}`,
    '  }',
    '}',
    'RULES',
  ].join('\n');
}

function iptablesRules({ address, skipInbound, skipOutbound }: PodPlan): string {
  const skip = (dev: string, ports: readonly number[]) =>
    ports.map((port) => `-A PREROUTING -i ${dev} -p tcp --dport ${port} -j ACCEPT`);
  return [
    "iptables-restore <<'RULES'",
    '*mangle',
    ...[TUNNEL_PORT, ADMIN_PORT].map(
      (port) => `-A PREROUTING -i mesh0 -p tcp --dport ${port} -j MARK --set-mark ${OWN_MARK}`,
    ),
    `-A OUTPUT -d ${address}/32 -p tcp --dport ${TUNNEL_PORT} -j MARK --set-mark ${OWN_MARK}`,
    'COMMIT',
    '*nat',
    `-A PREROUTING -m mark --mark ${OWN_MARK} -j ACCEPT`,
    `-A PREROUTING -i mesh0 -s ${FORWARDER}/32 -j ACCEPT`,
    ...skip('mesh0', skipInbound),
    `-A PREROUTING -i mesh0 -p tcp -j REDIRECT --to-ports ${INBOUND_PORT}`,
    `-A PREROUTING -i app0 -d ${GATEWAY}/32 -j ACCEPT`,
    `-A PREROUTING -i app0 -d ${LINK}/32 -p tcp --dport ${ADMIN_PORT} -j ACCEPT`,
    ...skip('app0', skipOutbound),
    `-A PREROUTING -i app0 -p tcp -j REDIRECT --to-ports ${OUTBOUND_PORT}`,
    `-A INPUT -i mesh0 -s ${FORWARDER}/32 -p tcp --dport ${ADMIN_PORT} -j SNAT --to-source 127.0.0.1`,
    `-A INPUT -i app0 -p tcp --dport ${ADMIN_PORT} -j SNAT --to-source 127.0.0.1`,
    `-A POSTROUTING -o mesh0 -s ${LINK}/32 -j SNAT --to-source ${address}`,
    'COMMIT',
    'RULES',
  ].join('\n');
}

/** Shell commands that show whether this machine can do it; they leave nothing, being in namespaces of their own. */
export function trialCommands(redirect: 'nft' | 'iptables'): string {
  const plan = { address: '10.244.1.1', skipInbound: [1], skipOutbound: [1], redirect } as unknown as PodPlan;
  return [
    'set -e',
    'ip link set lo up',
    'ip link add weft-a type veth peer name mesh0',
    ...sysctls(),
    'mount --bind /etc/hosts /etc/hosts',
    redirection(plan),
    udpCommands([{ address: '10.244.1.1', ports: [1] }], redirect),
  ].join('\n');
}
