import type { Actor, Case, Traffic, Verdict } from '../case.ts';
import { account, bareAccount, everything, routeGroup, rule, target, tcpRoute, udpRoute } from './objects.ts';

/** Checks 6 and 21 to 51 of docs/smi.md 6: who may call whom, and on which ports. */

const b = { service: '$b' } as const;

/** HTTP from an actor to `$b`. */
export function http(from: Actor, path: string, is: Verdict, more: Partial<Traffic> = {}): Traffic {
  return { from, to: b, path, is, ...more };
}

const about = { api: 'access.smi-spec.io', home: 'policy' } as const;
const whole = [rule(everything)];
const open = target('open', { sources: [account('a')], rules: whole });

const two = routeGroup('two', { m1: { path: '/one' }, m2: { path: '/two' } });
const fence = routeGroup('fence', { fence: { path: '/fence' } });
/** Shows that the objects applied before it have arrived, in cases that expect nothing but denials. */
const fenced = target('zz-fence', { sources: [account('c')], rules: [rule(fence)] });
const fenceHolds = http('c', '/fence', 'allowed');

const CLAIMS = ['x-forwarded-client-cert', 'l5d-client-id'];

export const ACCESS_CASES: readonly Case[] = [
  {
    ...about,
    id: 'TT-06',
    check: 6,
    title: 'a target with no sources or no rules grants nothing, and somebody says so',
    tags: ['A11'],
    group: 'access',
    steps: [
      { apply: [everything] },
      { refusedOrEvent: target('no-sources', { sources: [], rules: whole }), mentions: 'sources' },
      { refusedOrEvent: target('no-rules', { sources: [account('a')], rules: [] }), mentions: 'rules' },
      { apply: [fence, fenced] },
      { expect: [fenceHolds, http('a', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-21',
    check: 21,
    title: 'without a target everything is denied',
    tags: ['S', 'A1'],
    group: 'access',
    steps: [{ expect: [http('a', '/', 'denied'), http('c', '/', 'denied'), http('other/a', '/', 'denied')] }],
  },
  {
    ...about,
    id: 'TT-22',
    check: 22,
    title: 'a target from a to b lets in a, not c, and opens nothing the other way',
    tags: ['S'],
    group: 'access',
    steps: [
      { apply: [everything, open] },
      {
        expect: [
          http('a', '/', 'allowed'),
          http('a', '/deep/path', 'allowed', { method: 'POST' }),
          http('c', '/', 'denied'),
          { from: '$b', to: { service: 'a' }, is: 'denied' },
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-22b',
    check: 22,
    title: 'an app that knows nothing of proxies is in the mesh all the same',
    tags: ['S'],
    group: 'access',
    needs: ['capture'],
    steps: [
      {
        apply: [
          everything,
          open,
          tcpRoute('tcp', [9000]),
          target('tcp', { sources: [account('a')], rules: [rule(tcpRoute('tcp', []))] }),
        ],
      },
      {
        expect: [
          http('a', '/', 'allowed', { direct: true }),
          http('a', '/', 'allowed', { direct: true, protocol: 'http2' }),
          http('a', '/', 'allowed', { direct: true, protocol: 'tcp', port: 9000 }),
          http('c', '/', 'denied', { direct: true }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-23',
    check: 23,
    title: 'access ends when the target is deleted and comes back with it',
    tags: ['S'],
    group: 'access',
    steps: [
      { apply: [everything, open] },
      { expect: [http('a', '/', 'allowed')] },
      { remove: [open] },
      { expect: [http('a', '/', 'denied')] },
      { apply: [open] },
      { expect: [http('a', '/', 'allowed')] },
    ],
  },
  {
    ...about,
    id: 'TT-24',
    check: 24,
    title: 'two targets are a union without a cross product',
    tags: ['S'],
    group: 'access-routes',
    steps: [
      {
        apply: [
          routeGroup('x', { x: { path: '/x' } }),
          routeGroup('y', { y: { path: '/y' } }),
          target('a-x', { sources: [account('a')], rules: [rule(routeGroup('x', {}))] }),
          target('c-y', { sources: [account('c')], rules: [rule(routeGroup('y', {}))] }),
        ],
      },
      {
        expect: [
          http('a', '/x', 'allowed'),
          http('a', '/y', 'denied'),
          http('c', '/x', 'denied'),
          http('c', '/y', 'allowed'),
        ],
      },
    ],
  },
  ...(['wide first', 'narrow first'] as const).map((order): Case => {
    const wide = routeGroup('wide', { any: { path: '/api.*' } });
    const narrow = routeGroup('narrow', { v1: { path: '/api/v1', methods: ['GET'] } });
    const targets = [wide, narrow].map((group) =>
      target(group.metadata.name.replace('$id-', ''), { sources: [account('a')], rules: [rule(group)] }),
    );
    return {
      ...about,
      id: order === 'wide first' ? 'TT-25a' : 'TT-25b',
      check: 25,
      title: `overlapping targets add up whatever their order (${order})`,
      tags: ['S', 'A12'],
      group: 'access-routes',
      steps: [
        { apply: [wide, narrow] },
        { apply: [order === 'wide first' ? targets[0]! : targets[1]!] },
        { pauseMs: 1100 },
        { apply: [order === 'wide first' ? targets[1]! : targets[0]!] },
        {
          expect: [
            http('a', '/api/v1', 'allowed'),
            http('a', '/api/z', 'allowed'),
            http('a', '/api/v1', 'allowed', { method: 'POST' }),
            http('a', '/other', 'denied'),
          ],
        },
      ],
    };
  }),
  {
    ...about,
    id: 'TT-26',
    check: 26,
    title: 'two sources and two rules make four grants',
    tags: ['S'],
    group: 'access',
    steps: [
      {
        apply: [
          routeGroup('one', { one: { path: '/one' } }),
          routeGroup('two', { two: { path: '/two' } }),
          target('both', {
            sources: [account('a'), account('c')],
            rules: [rule(routeGroup('one', {})), rule(routeGroup('two', {}))],
          }),
        ],
      },
      {
        expect: (['a', 'c'] as const).flatMap((from) => [http(from, '/one', 'allowed'), http(from, '/two', 'allowed')]),
      },
    ],
  },
  {
    ...about,
    id: 'TT-27',
    check: 27,
    title: 'a rule with matches grants only the entries that it names',
    tags: ['S'],
    group: 'access-routes',
    steps: [
      { apply: [two, target('m1', { sources: [account('a')], rules: [rule(two, 'm1')] })] },
      { expect: [http('a', '/one', 'allowed'), http('a', '/two', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-28',
    check: 28,
    title: 'a rule without matches grants every entry of the group',
    tags: ['S'],
    group: 'access',
    steps: [
      { apply: [two, target('all', { sources: [account('a')], rules: [rule(two)] })] },
      { expect: [http('a', '/one', 'allowed'), http('a', '/two', 'allowed')] },
    ],
  },
  {
    ...about,
    id: 'TT-29',
    check: 29,
    title: 'a rule that names something absent grants nothing; its siblings work, and an Event names it',
    tags: ['A10'],
    group: 'access-routes',
    steps: [
      {
        apply: [
          two,
          target('absent', {
            sources: [account('a')],
            rules: [rule(two, 'm9'), { kind: 'HTTPRouteGroup', name: '$id-nowhere' }, rule(two, 'm1')],
          }),
        ],
      },
      { expect: [http('a', '/one', 'allowed'), http('a', '/two', 'denied'), http('a', '/', 'denied')] },
      { event: target('absent', { sources: [], rules: [] }), mentions: 'm9' },
      { event: target('absent', { sources: [], rules: [] }), mentions: '$id-nowhere' },
    ],
  },
  {
    ...about,
    id: 'TT-30',
    check: 30,
    title: 'a missing route group takes effect when it appears, with the target untouched',
    tags: ['A10'],
    group: 'access',
    steps: [
      { apply: [fence, fenced, target('early', { sources: [account('a')], rules: [rule(two)] })] },
      { expect: [fenceHolds, http('a', '/one', 'denied')] },
      { apply: [two] },
      { expect: [http('a', '/one', 'allowed')] },
    ],
  },
  {
    ...about,
    id: 'TT-31',
    check: 31,
    title: 'a TCPRoute without ports lets in HTTP and raw TCP, whoever speaks first',
    tags: ['A6'],
    group: 'access-ports',
    steps: [
      {
        apply: [tcpRoute('tcp', []), target('tcp', { sources: [account('a')], rules: [rule(tcpRoute('tcp', []))] })],
      },
      {
        expect: [
          http('a', '/', 'allowed'),
          http('a', '/', 'allowed', { protocol: 'http2' }),
          http('a', '/', 'allowed', { protocol: 'tcp', port: 9000 }),
          http('a', '/', 'allowed', { protocol: 'tcp-first', port: 9001 }),
          http('c', '/', 'closed', { protocol: 'tcp', port: 9000 }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-32',
    check: 32,
    title: 'a TCPRoute opens the ports that it lists and no other',
    tags: ['S'],
    group: 'access-ports',
    steps: [
      {
        apply: [
          tcpRoute('tcp', [8080, 9000]),
          target('tcp', { sources: [account('a')], rules: [rule(tcpRoute('tcp', []))] }),
        ],
      },
      {
        expect: [
          http('a', '/', 'allowed', { port: 8080 }),
          http('a', '/', 'denied', { port: 8081 }),
          http('a', '/', 'allowed', { protocol: 'tcp', port: 9000 }),
          http('a', '/', 'denied', { protocol: 'tcp-first', port: 9001 }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-33',
    check: 33,
    title: "a TCPRoute's number is a Service port first, a container port only when no Service has it",
    tags: ['A9'],
    group: 'access-ports',
    steps: [
      {
        apply: [tcpRoute('tcp', [80]), target('tcp', { sources: [account('a')], rules: [rule(tcpRoute('tcp', []))] })],
      },
      // Service ports 80 and 8080 lead to container port 8080, 8081 and 8082 to container port 8081.
      {
        expect: [
          http('a', '/', 'allowed', { port: 80 }),
          http('a', '/', 'allowed', { port: 8080 }),
          http('a', '/', 'denied', { port: 8081 }),
        ],
      },
      { apply: [tcpRoute('tcp', [8082])] },
      {
        expect: [
          http('a', '/', 'allowed', { port: 8082 }),
          http('a', '/', 'denied', { to: { pod: '$b' }, port: 8082 }),
          http('a', '/', 'denied', { port: 8080 }),
        ],
      },
      { apply: [tcpRoute('tcp', [8083])] },
      {
        expect: [
          http('a', '/', 'allowed', { to: { pod: '$b' }, port: 8083 }),
          http('a', '/', 'denied', { port: 8080 }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-34',
    check: 34,
    title: 'a TCPRoute and an HTTPRouteGroup in one target must both hold',
    tags: ['A6'],
    group: 'access-routes',
    steps: [
      {
        apply: [
          tcpRoute('tcp', [8080]),
          routeGroup('metrics', { metrics: { path: '/metrics' } }),
          target('both', {
            sources: [account('a')],
            rules: [rule(tcpRoute('tcp', [])), rule(routeGroup('metrics', {}))],
          }),
        ],
      },
      {
        expect: [
          http('a', '/metrics', 'allowed', { port: 8080 }),
          http('a', '/metrics', 'denied', { port: 8081 }),
          http('a', '/', 'denied', { port: 8080 }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-35',
    check: 35,
    title: "ports of TCPRoute and UDPRoute are each protocol's own",
    tags: ['S'],
    group: 'access-ports',
    needs: ['udp'],
    waitsFor: 'the test pods speak no UDP, and no mesh that is known carries it',
    steps: [],
  },
  {
    ...about,
    id: 'TT-36',
    check: 36,
    title: 'a UDPRoute grants no TCP',
    tags: ['A8'],
    group: 'access-ports',
    steps: [
      {
        apply: [
          udpRoute('udp', [8080]),
          target('udp', { sources: [account('a')], rules: [rule(udpRoute('udp', []))] }),
          fence,
          fenced,
        ],
      },
      { expect: [fenceHolds, http('a', '/', 'denied'), http('a', '/', 'denied', { protocol: 'tcp', port: 9000 })] },
    ],
  },
  {
    ...about,
    id: 'TT-37',
    check: 37,
    title: 'a target with HTTP routes only lets in no bytes that are not HTTP',
    tags: ['A7'],
    group: 'access-ports',
    steps: [
      { apply: [everything, open] },
      {
        expect: [
          http('a', '/', 'allowed'),
          http('a', '/', 'rejected', { protocol: 'raw', bytes: 'HELLO id={id}\nWHO ARE YOU\n' }),
          http('a', '/', 'closed', { protocol: 'tcp', port: 9000 }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-38',
    check: 38,
    title: 'a granted caller that bypasses its own sidecar is denied by the other side',
    tags: ['S'],
    group: 'access',
    steps: [
      { apply: [everything, open] },
      {
        expect: [
          http('a2', '/', 'allowed'),
          http('a2', '/', 'denied', { to: { pod: '$b' }, port: 8083, direct: true }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-39',
    check: 39,
    title: 'a pod outside the mesh is denied in deny mode and let in by permissive mode',
    tags: ['A15'],
    group: 'access',
    steps: [
      { apply: [everything, open] },
      {
        expect: [
          http('a', '/', 'allowed'),
          http('outsider', '/', 'denied', { to: { pod: '$b' }, direct: true }),
          http('outsider', '/', 'allowed', { to: { pod: 'split/v1' }, direct: true }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-40',
    check: 40,
    title: 'headers that claim an identity gain nothing and do not arrive',
    tags: ['S'],
    group: 'identity',
    steps: [
      { apply: [everything, open] },
      {
        expect: [
          http('c', '/', 'denied', { forged: true }),
          http('c', '/', 'denied', { forged: true, protocol: 'http2' }),
          http('a', '/', { arrives: { without: CLAIMS } }, { forged: true }),
          // Whoever comes in plain has passed no sidecar that could have taken them away
          http(
            'outsider',
            '/',
            { arrives: { without: CLAIMS } },
            { to: { pod: 'split/v1' }, direct: true, forged: true },
          ),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-42',
    check: 42,
    title: 'two workloads that share a ServiceAccount are both let in',
    tags: ['S', 'A20'],
    group: 'access',
    steps: [
      { apply: [everything, open] },
      { expect: [http('a', '/', 'allowed'), http('a2', '/', 'allowed'), http('c', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-43',
    check: 43,
    title: 'a target opens nothing in another namespace',
    tags: ['A3'],
    group: 'access',
    steps: [
      { apply: [everything] },
      {
        refusedOrEvent: target('abroad', {
          sources: [account('c')],
          rules: whole,
          destination: account('a', '$other'),
        }),
        mentions: 'namespace',
      },
      { apply: [fence, fenced] },
      { expect: [fenceHolds, { from: 'c', to: { service: 'other/a' }, is: 'denied' }] },
    ],
  },
  {
    ...about,
    id: 'TT-44',
    check: 44,
    title: "a source without namespace means the target's own",
    tags: ['A4'],
    group: 'access',
    steps: [
      {
        apply: [
          everything,
          target('bare', { sources: [bareAccount('a')], rules: whole, destination: bareAccount('$b') }),
        ],
      },
      { expect: [http('a', '/', 'allowed'), http('other/a', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-45',
    check: 45,
    title: 'ServiceAccounts of the same name in two namespaces are two identities',
    tags: ['S'],
    group: 'access',
    steps: [
      { apply: [everything, target('other', { sources: [account('a', '$other')], rules: whole })] },
      { expect: [http('other/a', '/', 'allowed'), http('a', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-46',
    check: 46,
    title: 'a denial is 403, for gRPC PERMISSION_DENIED, for raw TCP a close, and never a hang',
    tags: ['A13', 'A14'],
    group: 'access',
    steps: [
      {
        expect: [
          http('a', '/', 'forbidden'),
          http('a', '/', 'forbidden', { protocol: 'http2' }),
          http('a', '/pkg.Svc/Get', 'forbidden', { protocol: 'grpc' }),
          http('a', '/', 'forbidden', { protocol: 'websocket' }),
          http('a', '/', 'closed', { protocol: 'tcp', port: 9000 }),
          http('a', '/', 'closed', { protocol: 'tcp-first', port: 9001 }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TT-47',
    check: 47,
    title: 'when a target is deleted, kept HTTP connections get 403 and TCP connections are closed',
    tags: ['A19'],
    group: 'access',
    steps: [{ play: 'revoke-live-connections' }],
  },
  {
    ...about,
    id: 'TT-51',
    check: 51,
    title: 'probes keep pods ready in deny mode',
    tags: ['A15'],
    group: 'access',
    steps: [{ play: 'pods-stay-ready' }],
  },
  {
    ...about,
    id: 'TT-52',
    check: 52,
    title: "traffic from outside enters by the gateway's ServiceAccount, or not at all",
    tags: ['A17'],
    group: 'access',
    needs: ['ingress'],
    waitsFor: 'a gateway of the mesh, and a field of the capability file that says how it is opened',
    steps: [],
  },
];
