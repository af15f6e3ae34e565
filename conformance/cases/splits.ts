import type { Case, Traffic, Verdict } from '../case.ts';
import type { KubeObject } from '../kube.ts';
import { account, everything, routeGroup, rule, service, split, target } from './objects.ts';

/** Checks 67 to 95 of docs/smi.md 6: where the requests of a TrafficSplit go. */

const about = { api: 'split.smi-spec.io', home: 'split', group: 'split' } as const;

/** HTTP from the client to a Service of the case. */
function toRoot(is: Verdict, more: Partial<Traffic> = {}): Traffic {
  return { from: 'web', to: { service: '$id-root' }, concurrency: 4, is, ...more };
}

const SOME = { count: 200 } as const;
/**
 * A root in front of v1 and v2, and a backend Service for each version. Splits of it send to v3: while one is on its way, v1 alone
 * may answer for long where v2 is busy with other cases and the mesh prefers who is idle.
 */
const fleet = [service('root', 'in-v1-v2'), service('v1', 'v1'), service('v2', 'v2'), service('v3', 'v3')];
const ROOT = '$id-root';

function sharesCase(id: string, weights: Readonly<Record<string, number>>): Case {
  return {
    ...about,
    id,
    check: 69,
    title: `weights ${Object.values(weights).join('/')} are kept`,
    tags: ['S'],
    steps: [
      { apply: [service('root', 'in-all'), ...Object.keys(weights).map((version) => service(version, version))] },
      { apply: [split('split', ROOT, weights)] },
      { expect: [toRoot({ shares: weights }, { count: 2000 })] }, // as the check says
    ],
  };
}

const firefox = routeGroup('firefox', { firefox: { headers: { 'user-agent': '.*Firefox.*' } } });
const FIREFOX: Partial<Traffic> = { headers: [['user-agent', 'Mozilla/5.0 (X11; Linux) Firefox/130.0']] };
const CURL: Partial<Traffic> = { headers: [['user-agent', 'curl/8.5']] };
/** A root in front of v1 only: what no split takes is seen to go there. */
const v1Root = [service('root', 'v1'), service('v1', 'v1'), service('v2', 'v2'), service('v3', 'v3')];

const WEIGHT_CASES: readonly Case[] = [
  {
    ...about,
    id: 'TS-67',
    check: 67,
    title: 'without a split every endpoint of the root gets some',
    tags: ['S'],
    steps: [{ apply: fleet }, { expect: [toRoot({ each: ['v1', 'v2'] }, SOME)] }],
  },
  {
    ...about,
    id: 'TS-68',
    check: 68,
    title: 'weights 1/0 and 0/1 send everything to one side',
    tags: ['S'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { v1: 0, v2: 1 })] },
      { expect: [toRoot({ each: ['v2'] }, SOME)] },
      { apply: [split('split', ROOT, { v1: 1, v2: 0 })] },
      { expect: [toRoot({ each: ['v1'] }, SOME)] },
    ],
  },
  sharesCase('TS-69a', { v1: 90, v2: 10 }),
  sharesCase('TS-69b', { v1: 75, v2: 25 }),
  sharesCase('TS-69c', { v1: 1000, v2: 500 }),
  sharesCase('TS-69d', { v1: 1, v2: 2, v3: 7 }),
  {
    ...about,
    id: 'TS-70',
    check: 70,
    title: 'a single backend gets all; pods of the root that no backend selects get none',
    tags: ['S'],
    steps: [{ apply: [...fleet, split('split', ROOT, { v3: 1 })] }, { expect: [toRoot({ each: ['v3'] }, SOME)] }],
  },
  {
    ...about,
    id: 'TS-71',
    check: 71,
    group: 'split-per-request',
    title: 'requests of one kept connection are split one by one',
    tags: ['S', 'S16'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { v1: 50, v2: 50 })] },
      {
        expect: (['http1', 'http2', 'grpc'] as const).map((protocol) =>
          toRoot({ shares: { v1: 50, v2: 50 } }, { protocol, reuse: true, concurrency: 1, count: 500 }),
        ),
      },
    ],
  },
  {
    ...about,
    id: 'TS-72',
    check: 72,
    title: 'weights change under load without a failed request',
    tags: ['S'],
    steps: [{ apply: [...v1Root, split('split', ROOT, { v1: 0, v2: 100 })] }, { play: 'weights-under-load' }],
  },
  {
    ...about,
    id: 'TS-73',
    check: 73,
    title: 'when a split is deleted the root is back, without errors',
    tags: ['S', 'S24'],
    steps: [
      { apply: [...fleet, split('split', ROOT, { v3: 1 })] },
      { expect: [toRoot({ each: ['v3'] }, SOME)] },
      { remove: [split('split', ROOT, {})] },
      { expect: [toRoot({ each: ['v1', 'v2'] }, SOME)] },
    ],
  },
  {
    ...about,
    id: 'TS-74',
    check: 74,
    title: 'a backend that does not exist yet gets nothing, is named in an Event, and joins when it appears',
    tags: ['S', 'S10'],
    steps: [
      { apply: [service('root', 'in-v1-v2'), service('v1', 'v1'), split('split', ROOT, { v1: 1, v2: 1 })] },
      { expect: [toRoot({ each: ['v1'] }, SOME)] },
      { event: split('split', ROOT, {}), mentions: '$id-v2' },
      { apply: [service('v2', 'v2')] },
      { expect: [toRoot({ shares: { v1: 1, v2: 1 } })] },
    ],
  },
  {
    ...about,
    id: 'TS-75',
    check: 75,
    title: 'a backend without a port of the root is left out on that port only',
    tags: ['S', 'S11'],
    steps: [
      {
        apply: [
          service('root', 'v1', { 8080: 8080, 8081: 8081 }),
          service('v1', 'v1', { 8080: 8080, 8081: 8081 }),
          service('v2', 'v2', { 8080: 8080 }),
          split('split', ROOT, { v1: 50, v2: 50 }),
        ],
      },
      { expect: [toRoot({ shares: { v1: 50, v2: 50 } }), toRoot({ each: ['v1'] }, { ...SOME, port: 8081 })] },
      { event: split('split', ROOT, {}), mentions: '8081' },
    ],
  },
  {
    ...about,
    id: 'TS-76',
    check: 76,
    title: "a backend's own targetPort is used",
    tags: ['S'],
    steps: [
      {
        apply: [
          service('root', 'v1', { 8080: 8080 }),
          service('v2', 'v2', { 8080: 8081 }),
          split('split', ROOT, { v2: 1 }),
        ],
      },
      { expect: [toRoot({ each: ['v2'] }, SOME), toRoot({ arrives: { port: 8081 } })] },
    ],
  },
  {
    ...about,
    id: 'TS-77',
    check: 77,
    title: 'a client outside the mesh sees the Service without the split',
    tags: ['S'],
    needs: ['clusterIP'],
    steps: [
      { apply: [...fleet, split('split', ROOT, { v3: 1 })] },
      {
        expect: [
          toRoot({ each: ['v3'] }, SOME),
          { ...toRoot({ each: ['v1', 'v2'] }, SOME), from: 'outsider', direct: true },
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TS-78',
    check: 78,
    title: "calls to a backend's name or a pod's address are not split",
    tags: ['S', 'S14'],
    steps: [
      { apply: [...fleet, split('split', ROOT, { v2: 0, v3: 1 })] },
      {
        expect: [
          toRoot({ each: ['v3'] }, SOME),
          toRoot({ each: ['v2'] }, { ...SOME, to: { service: '$id-v2' } }),
          toRoot({ each: ['v2'] }, { ...SOME, to: { pod: 'v2' } }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TS-79',
    check: 79,
    title: 'a backend that is the root of another split is not split again',
    tags: ['S', 'S4'],
    steps: [
      {
        apply: [...v1Root, split('outer', ROOT, { v2: 1 }), split('inner', '$id-v2', { v3: 1 })],
      },
      {
        expect: [toRoot({ each: ['v2'] }, SOME), toRoot({ each: ['v3'] }, { ...SOME, to: { service: '$id-v2' } })],
      },
    ],
  },
  {
    ...about,
    id: 'TS-80',
    check: 80,
    title: 'the root may be among its own backends: its share goes to its endpoints',
    tags: ['S3', 'T'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { root: 50, v2: 50 })] },
      { expect: [toRoot({ shares: { v1: 50, v2: 50 } })] },
    ],
  },
];

const MATCH_CASES: readonly Case[] = [
  {
    ...about,
    id: 'TS-81',
    check: 81,
    group: 'split-matches',
    title: 'a split with matches takes those requests; all others go to the root',
    tags: ['S', 'S6'],
    steps: [
      { apply: [...v1Root, firefox, split('split', ROOT, { v1: 0, v2: 100 }, [firefox])] },
      {
        expect: [
          toRoot({ each: ['v2'] }, { ...SOME, ...FIREFOX }),
          toRoot({ each: ['v1'] }, { ...SOME, ...CURL }),
          toRoot({ each: ['v1'] }, SOME),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TS-82',
    check: 82,
    group: 'split-matches',
    title: 'of two route groups in matches one is enough',
    tags: ['S'],
    steps: [
      {
        apply: [
          ...v1Root,
          firefox,
          routeGroup('beta', { beta: { headers: { 'x-beta': 'yes' } } }),
          split('split', ROOT, { v2: 1 }, [firefox, routeGroup('beta', {})]),
        ],
      },
      {
        expect: [
          toRoot({ each: ['v2'] }, { ...SOME, ...FIREFOX }),
          toRoot({ each: ['v2'] }, { ...SOME, headers: [['x-beta', 'yes']] }),
          toRoot({ each: ['v1'] }, SOME),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TS-83',
    check: 83,
    group: 'split-matches',
    title: 'path and method of a match count as well as its headers',
    tags: ['S7'],
    steps: [
      {
        apply: [
          ...v1Root,
          routeGroup('beta', { beta: { path: '/beta', methods: ['GET'], headers: { 'x-beta': 'yes' } } }),
          split('split', ROOT, { v2: 1 }, [routeGroup('beta', {})]),
        ],
      },
      {
        expect: [
          toRoot({ each: ['v2'] }, { ...SOME, path: '/beta/x', headers: [['x-beta', 'yes']] }),
          toRoot({ each: ['v1'] }, { ...SOME, path: '/other', headers: [['x-beta', 'yes']] }),
          toRoot({ each: ['v1'] }, { ...SOME, path: '/beta/x', headers: [['x-beta', 'yes']], method: 'POST' }),
          toRoot({ each: ['v1'] }, { ...SOME, path: '/beta/x' }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'TS-84',
    check: 84,
    group: 'split-matches',
    title: 'a split whose route group is missing takes nothing, and an Event names the group',
    tags: ['A10'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { v2: 1 }, [routeGroup('missing', {})])] },
      { event: split('split', ROOT, {}), mentions: '$id-missing' },
      { expect: [toRoot({ each: ['v1'] }, SOME)] },
      { apply: [routeGroup('missing', { any: { path: '/' } })] },
      { expect: [toRoot({ each: ['v2'] }, SOME)] },
    ],
  },
  {
    ...about,
    id: 'TS-88',
    check: 88,
    group: 'split-matches',
    title: 'beside a split with matches, one without takes the rest',
    tags: ['S5'],
    steps: [
      { apply: [...v1Root, firefox, split('rest', ROOT, { v3: 1 })] },
      { apply: [split('some', ROOT, { v2: 1 }, [firefox])] },
      { expect: [toRoot({ each: ['v2'] }, { ...SOME, ...FIREFOX }), toRoot({ each: ['v3'] }, { ...SOME, ...CURL })] },
    ],
  },
  {
    ...about,
    id: 'TS-91b',
    check: 91,
    group: 'split-matches',
    title: 'raw TCP passes by a split with matches and goes to the root',
    tags: ['S15'],
    steps: [
      { apply: [...v1Root, firefox, split('some', ROOT, { v2: 1 }, [firefox])] },
      {
        expect: [
          toRoot({ each: ['v2'] }, { ...SOME, ...FIREFOX }),
          toRoot({ each: ['v1'] }, { count: 50, protocol: 'tcp', port: 9000 }),
        ],
      },
    ],
  },
];

function rootForms(): readonly KubeObject[] {
  const forms = { short: '$id-short', qualified: '$id-qualified.$split', full: '$id-full.$split.svc.$domain' };
  return Object.entries(forms).flatMap(([form, root]) => [service(form, 'v1'), split(form, root, { v2: 1 })]);
}

const OTHER_CASES: readonly Case[] = [
  {
    ...about,
    id: 'TS-85',
    check: 85,
    title: 'spec.service may be a short, a qualified or a full name, of the same namespace only',
    tags: ['S1'],
    steps: [
      { apply: [service('v2', 'v2'), ...rootForms()] },
      {
        expect: ['short', 'qualified', 'full'].map((form) =>
          toRoot({ each: ['v2'] }, { ...SOME, to: { service: `$id-${form}` } }),
        ),
      },
      { refusedOrEvent: split('abroad', 'a.$other', { v2: 1 }), mentions: '$other' },
    ],
  },
  {
    ...about,
    id: 'TS-86',
    check: 86,
    title: 'clients are split whichever name of the root they use, and its address',
    tags: ['S1'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { v2: 1 })] },
      {
        expect: (['short', 'qualified', 'full', 'dot', 'bare', 'address'] as const).map((form) =>
          toRoot({ each: ['v2'] }, { count: 20, to: { service: ROOT, form } }),
        ),
      },
    ],
  },
  {
    ...about,
    id: 'TS-87',
    check: 87,
    title: 'of two splits on one root the older rules, and the younger takes over when it goes',
    tags: ['S5'],
    steps: [
      { apply: [...v1Root, split('zz-older', ROOT, { v2: 1 })] },
      { pauseMs: 1100 },
      { apply: [split('aa-younger', ROOT, { v3: 1 })] },
      { event: split('aa-younger', ROOT, {}), mentions: '$id-zz-older' },
      { expect: [toRoot({ each: ['v2'] }, SOME)] },
      { remove: [split('zz-older', ROOT, {})] },
      { expect: [toRoot({ each: ['v3'] }, SOME)] },
    ],
  },
  {
    ...about,
    id: 'TS-89',
    check: 89,
    title: 'with all weights zero requests fail with 503, and an Event says why',
    tags: ['S8'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { v1: 0, v2: 0 })] },
      { expect: [toRoot({ status: 503 }, { count: 20 })] },
      { event: split('split', ROOT, {}), mentions: 'weight' },
    ],
  },
  {
    ...about,
    id: 'TS-90',
    check: 90,
    title: 'a backend without ready endpoints loses its share to the others',
    tags: ['S9'],
    steps: [
      {
        apply: [
          service('root', 'v2'),
          service('v1', 'v1'),
          service('nobody', 'nobody'),
          split('split', ROOT, { v1: 1, nobody: 1 }),
        ],
      },
      { expect: [toRoot({ each: ['v1'] }, SOME)] },
    ],
  },
  {
    ...about,
    id: 'TS-90b',
    check: 90,
    title: 'a pod that runs but is not ready gets nothing, as root or as backend',
    tags: ['S9'],
    steps: [
      { pods: [{ name: '$id-sick', unready: true }] },
      {
        apply: [
          service('root', 'v2'),
          service('v1', 'v1'),
          split('split', ROOT, [
            { service: '$id-v1', weight: 1 },
            { service: '$id-sick', weight: 1 },
          ]),
        ],
      },
      { expect: [toRoot({ each: ['v1'] }, SOME)] },
      { expect: [toRoot({ status: 503 }, { count: 10, to: { service: '$id-sick' } })] },
    ],
  },
  {
    ...about,
    id: 'TS-91a',
    check: 91,
    title: 'raw TCP is split per connection',
    tags: ['S15'],
    steps: [
      { apply: [...v1Root, split('split', ROOT, { v1: 50, v2: 50 })] },
      { expect: [toRoot({ shares: { v1: 50, v2: 50 } }, { count: 400, protocol: 'tcp', port: 9000 })] },
    ],
  },
  {
    ...about,
    id: 'TS-92',
    check: 92,
    home: 'policy',
    group: 'split-access',
    title: 'access is decided at the backend that a split has chosen',
    tags: ['A18'],
    steps: [
      {
        apply: [
          service('root', '$b'),
          everything,
          target('first', { sources: [account('a')], rules: [rule(everything)] }),
          split('split', ROOT, [
            { service: '$b', weight: 50 },
            { service: '$b2', weight: 50 },
          ]),
        ],
      },
      { expect: [{ ...toRoot({ shares: { $b: 50, forbidden: 50 } }, { count: 1000 }), from: 'a' }] },
      { expect: [{ ...toRoot('allowed', { to: { service: '$b' } }), from: 'a' }] },
    ],
  },
  {
    ...about,
    id: 'TS-93a',
    check: 93,
    title: 'weights of a backend that is listed twice add up',
    tags: ['S20'],
    steps: [
      {
        apply: [
          ...v1Root,
          split('split', ROOT, [
            { service: '$id-v1', weight: 1 },
            { service: '$id-v1', weight: 1 },
            { service: '$id-v2', weight: 2 },
          ]),
        ],
      },
      { expect: [toRoot({ shares: { v1: 50, v2: 50 } })] },
    ],
  },
  {
    ...about,
    id: 'TS-93b',
    check: 93,
    title: 'a backend of another namespace gets nothing, and somebody says so',
    tags: ['S21'],
    steps: [
      { apply: v1Root },
      {
        refusedOrEvent: split('abroad', ROOT, [
          { service: 'a.$other', weight: 1 },
          { service: '$id-v1', weight: 1 },
        ]),
        mentions: '$other',
      },
      { expect: [toRoot({ each: ['v1'] }, SOME)] },
    ],
  },
  {
    ...about,
    id: 'TS-94',
    check: 94,
    title: 'traffic that comes in by the gateway is split as well',
    tags: ['S23'],
    needs: ['ingress'],
    waitsFor: 'a gateway of the mesh, and a field of the capability file that says how it is opened',
    steps: [],
  },
  {
    ...about,
    id: 'TS-95',
    check: 95,
    title: 'a canary rolls out as Flagger does it, without one failed request',
    tags: ['T'],
    steps: [
      { apply: [service('root', 'v1'), service('root-primary', 'v1'), service('root-canary', 'v2')] },
      { play: 'canary' },
    ],
  },
];

export const SPLIT_CASES: readonly Case[] = [...WEIGHT_CASES, ...MATCH_CASES, ...OTHER_CASES];
