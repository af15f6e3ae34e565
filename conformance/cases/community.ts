import type { Case, Traffic, Verdict } from '../case.ts';
import { account, routeGroup, rule, service, split, target, tcpRoute } from './objects.ts';

/**
 * The 24 steps of the community suite of 2021 by their meaning (docs/smi.md 3). Its traffic checks could not fail
 * (3.3); these can. Where the text and that suite differ, the text wins: CRDs are read from discovery, objects have the
 * shapes of their versions, a refusal may be a reply or a closed connection, and access and splits have a namespace of
 * their own, because no one mode can pass both.
 */

const about = { group: 'community', check: 0, tags: ['T'] } as const satisfies Partial<Case>;
const PORT = 9091;

function toB(path: string, is: Verdict, more: Partial<Traffic> = {}): Traffic {
  return { from: 'a', to: { service: '$id-app-b' }, port: PORT, path, is, ...more };
}

/** What a call leaves behind at b: one request, with its caller's own header. */
const counted: Verdict = { arrives: { count: 1, with: ['x-called-by'] } };
const CALLED_BY: Partial<Traffic> = { headers: [['x-called-by', 'app-a']] };
const appB = service('app-b', '$b', { [PORT]: 8080 });

const anyTcp = tcpRoute('tcp', []);
const tcpOnly = target('tcp', { sources: [account('a')], rules: [rule(anyTcp)] });

const metrics = routeGroup('routes', { metrics: { path: '/metrics', methods: ['*'] } });
const reads = routeGroup('routes', { reads: { path: '.*', methods: ['GET'] } });
const byRoutes = target('routes', { sources: [account('a')], rules: [rule(metrics)] });

function toApp(is: Verdict): Traffic {
  return { from: 'web', to: { service: '$id-app-svc', form: 'dot' }, port: PORT, path: '/echo', count: 50, is };
}

const apps = [
  service('app-svc', 'in-v1-v2', { [PORT]: 8080 }),
  service('app-b', 'v1', { [PORT]: 8080 }),
  service('app-c', 'v2', { [PORT]: 8080 }),
];
const shared = (b: number, c: number) => split('split', '$id-app-svc', { 'app-b': b, 'app-c': c });

export const COMMUNITY_CASES: readonly Case[] = [
  {
    ...about,
    id: 'CS-1',
    title: 'community suite, traffic access: 7 steps',
    api: 'access.smi-spec.io',
    home: 'policy',
    steps: [
      {
        kinds: [
          { group: 'access', kind: 'TrafficTarget', plural: 'traffictargets', singular: 'traffictarget', short: 'tt' },
        ],
      },
      { passed: 'access 01' },
      { apply: [appB] },
      { play: 'pods-stay-ready' },
      { passed: 'access 02' },
      { expect: [toB('/echo', 'denied')] },
      { passed: 'access 03' },
      { apply: [anyTcp, tcpOnly] },
      { read: tcpOnly, as: 'v1alpha3', holds: { spec: tcpOnly['spec'] as object } },
      { read: anyTcp, as: 'v1alpha4', holds: { spec: anyTcp['spec'] as object } },
      { passed: 'access 04' },
      { expect: [toB('/echo', 'allowed'), toB('/echo', counted, CALLED_BY)] },
      { passed: 'access 05' },
      { remove: [tcpOnly, anyTcp] },
      { absent: [tcpOnly, anyTcp] },
      { passed: 'access 06' },
      { expect: [toB('/echo', 'denied')] },
      { passed: 'access 07' },
    ],
  },
  {
    ...about,
    id: 'CS-2',
    title: 'community suite, traffic specs: 6 steps',
    api: 'specs.smi-spec.io',
    home: 'policy',
    steps: [
      {
        kinds: [
          {
            group: 'specs',
            kind: 'HTTPRouteGroup',
            plural: 'httproutegroups',
            singular: 'httproutegroup',
            short: 'htr',
          },
        ],
      },
      { passed: 'specs 01' },
      { apply: [appB] },
      { play: 'pods-stay-ready' },
      { passed: 'specs 02' },
      { apply: [metrics, byRoutes] },
      { read: metrics, as: 'v1alpha4', holds: { spec: metrics['spec'] as object } },
      { read: byRoutes, as: 'v1alpha3', holds: { spec: byRoutes['spec'] as object } },
      { passed: 'specs 03' },
      { expect: [toB('/metrics', 'allowed'), toB('/echo', 'denied')] },
      { passed: 'specs 04' },
      { apply: [reads] },
      { read: reads, as: 'v1alpha4', holds: { spec: reads['spec'] as object } },
      { passed: 'specs 05' },
      { expect: [toB('/echo', 'allowed'), toB('/echo', 'denied', { method: 'POST' })] },
      { passed: 'specs 06' },
    ],
  },
  {
    ...about,
    id: 'CS-3',
    title: 'community suite, traffic split: 11 steps',
    api: 'split.smi-spec.io',
    home: 'split',
    steps: [
      {
        kinds: [
          { group: 'split', kind: 'TrafficSplit', plural: 'trafficsplits', singular: 'trafficsplit', short: 'ts' },
        ],
      },
      { passed: 'split 01' },
      { apply: apps },
      { play: 'pods-stay-ready' },
      { passed: 'split 02' },
      { expect: [toApp({ each: ['v1', 'v2'] })] },
      { passed: 'split 03' },
      ...(
        [
          [1, 0],
          [0, 1],
          [75, 25],
          [25, 75],
        ] as const
      ).flatMap(([b, c], i): Case['steps'] => [
        { apply: [shared(b, c)] },
        { read: shared(b, c), as: 'v1alpha4', holds: { spec: shared(b, c)['spec'] as object } },
        { passed: `split ${String(4 + 2 * i).padStart(2, '0')}` },
        {
          expect: [
            i < 2 ? toApp({ each: [b > 0 ? 'v1' : 'v2'] }) : { ...toApp({ shares: { v1: b, v2: c } }), count: 1000 },
          ],
        },
        { passed: `split ${String(5 + 2 * i).padStart(2, '0')}` },
      ]),
    ],
  },
];
