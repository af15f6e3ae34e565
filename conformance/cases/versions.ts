import type { Api, Case, Step, Traffic } from '../case.ts';
import type { KubeObject } from '../kube.ts';
import { http } from './access.ts';
import { account, routeGroup, rule, service, split, target, tcpRoute } from './objects.ts';
import { LEFTOVERS, SAMPLES } from './samples.ts';

/** Checks 2, 4 and 12 to 20 of docs/smi.md 6: every published version, and what objects mean on their way between them. */

const about = { home: 'split', group: 'conversion' } as const;
const SPLIT_API = 'split.smi-spec.io';

/** An object in another version than the cases' usual one; its shape is the caller's business. */
function inVersion(object: KubeObject, version: string): KubeObject {
  return { ...object, apiVersion: `${object.apiVersion}/${version}` };
}

const letter = (i: number) => String.fromCharCode('a'.charCodeAt(0) + i);
const apiOf = (version: string): Api => `${version.split('/')[0]}.smi-spec.io` as Api;

/** What each version serves (docs/smi.md 1.0). */
const SERVED = {
  'access/v1alpha1': ['TrafficTarget'],
  'access/v1alpha2': ['TrafficTarget'],
  'access/v1alpha3': ['TrafficTarget'],
  'access/v1alpha4': ['TrafficTarget', 'IdentityBinding'],
  'specs/v1alpha1': ['HTTPRouteGroup', 'TCPRoute'],
  'specs/v1alpha2': ['HTTPRouteGroup', 'TCPRoute'],
  'specs/v1alpha3': ['HTTPRouteGroup', 'TCPRoute'],
  'specs/v1alpha4': ['HTTPRouteGroup', 'TCPRoute', 'UDPRoute'],
  'split/v1alpha1': ['TrafficSplit'],
  'split/v1alpha2': ['TrafficSplit'],
  'split/v1alpha3': ['TrafficSplit'],
  'split/v1alpha4': ['TrafficSplit'],
} as const;

const SAMPLE_CASES = Object.entries(SAMPLES).map(([version, objects], i): Case => ({
  ...about,
  id: `API-04${letter(i)}`,
  check: 4,
  group: 'admission',
  title: `the shapes that ${version} is shown in are admitted, by strict clients too`,
  tags: ['S'],
  api: apiOf(version),
  serves: [version],
  steps: [
    ...objects,
    ...LEFTOVERS.filter(({ apiVersion }) => apiVersion === version.replace('/', '.smi-spec.io/')),
  ].map((object): Step => ({
    admission: object,
    is: 'admitted',
    strict: true,
  })),
}));

const ROUND_TRIPS = (['access', 'specs', 'split'] as const).map((group, i): Case => ({
  ...about,
  id: `API-19${letter(i)}`,
  check: 19,
  title: `${group} objects of each version are the same after a way through all the others`,
  tags: ['S'],
  api: `${group}.smi-spec.io`,
  serves: Object.keys(SAMPLES).filter((version) => version.startsWith(`${group}/`)),
  steps: Object.entries(SAMPLES).flatMap(([version, objects]) =>
    version.startsWith(`${group}/`) ? [{ everyVersion: objects }] : [],
  ),
}));

const whole = routeGroup('whole', { any: { path: '/only' } });
const grant = { destination: account('$b'), sources: [account('a')], rules: [rule(whole)] };

/** The same grant as each version writes it. */
const TARGETS: Readonly<Record<string, KubeObject>> = {
  v1alpha1: {
    apiVersion: 'access.smi-spec.io/v1alpha1',
    kind: 'TrafficTarget',
    metadata: { name: '$id-open' },
    destination: grant.destination,
    sources: grant.sources,
    specs: grant.rules,
  },
  ...Object.fromEntries(
    ['v1alpha2', 'v1alpha3', 'v1alpha4'].map((version) => [version, inVersion(target('open', grant), version)]),
  ),
};

const TARGET_CASES = Object.entries(TARGETS).map(([version, object], i): Case => ({
  ...about,
  id: `TT-22${letter(i + 2)}`,
  check: 22,
  home: 'policy',
  title: `a target written in access/${version} grants what it says and no more`,
  tags: ['S'],
  api: 'access.smi-spec.io',
  serves: [`access/${version}`],
  steps: [
    { apply: [whole, object] },
    { expect: [http('a', '/only', 'allowed'), http('a', '/', 'denied'), http('c', '/only', 'denied')] },
  ],
}));

const ENTRY = { name: 'entry', pathRegex: '/only', methods: ['GET'] };

const ROUTE_CASES = ['v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4'].map((version, i): Case => {
  const flat = version === 'v1alpha1' || version === 'v1alpha2';
  const matches = [{ ...ENTRY, ...(version === 'v1alpha1' ? {} : { headers: { 'x-user': 'ann' } }) }];
  const group: KubeObject = {
    apiVersion: `specs.smi-spec.io/${version}`,
    kind: 'HTTPRouteGroup',
    metadata: { name: '$id-routes' },
    ...(flat ? { matches } : { spec: { matches } }),
  };
  const ann: Partial<Traffic> = { headers: [['x-user', 'ann']] };
  return {
    ...about,
    id: `HR-53${letter(i + 1)}`,
    check: 53,
    home: 'policy',
    title: `a route group written in specs/${version} means what it says`,
    tags: ['S'],
    api: 'specs.smi-spec.io',
    serves: [`specs/${version}`],
    steps: [
      { apply: [group, target('routes', { sources: [account('a')], rules: [rule(group)] })] },
      {
        expect: [
          http('a', '/only', 'allowed', ann),
          http('a', '/only', 'denied', { ...ann, method: 'POST' }),
          http('a', '/other', 'denied', ann),
          ...(version === 'v1alpha1' ? [] : [http('a', '/only', 'denied')]),
        ],
      },
    ],
  };
});

const ROOT = '$id-root';
const toRoot = (is: Traffic['is'], more: Partial<Traffic> = {}): Traffic => ({
  from: 'web',
  to: { service: ROOT },
  concurrency: 4,
  is,
  ...more,
});
const fleet = [service('root', 'v1'), service('v1', 'v1'), service('v2', 'v2')];

const SPLIT_CASES = ['v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4'].map((version, i): Case => ({
  ...about,
  id: `TS-69${letter(i + 4)}`,
  check: 69,
  title: `the weights of a split written in split/${version} are kept`,
  tags: ['S'],
  api: SPLIT_API,
  serves: [`split/${version}`],
  steps: [
    { apply: [...fleet, inVersion(split('split', ROOT, { v1: 25, v2: 75 }), version)] },
    { expect: [toRoot({ shares: { v1: 25, v2: 75 } })] },
  ],
}));

const backends = (v1: number | string, v2: number | string) => [
  { service: '$id-v1', weight: v1 },
  { service: '$id-v2', weight: v2 },
];
const aSplit = split('split', ROOT, {});
const firefox = routeGroup('firefox', { firefox: { headers: { 'user-agent': '.*Firefox.*' } } });
const FIREFOX: Partial<Traffic> = { count: 100, headers: [['user-agent', 'Mozilla/5.0 (X11; Linux) Firefox/130.0']] };

const ported: KubeObject = {
  ...inVersion(target('open', {} as never), 'v1alpha2'),
  spec: { ...grant, destination: { ...account('$b'), port: 8080 }, rules: [rule(routeGroup('any', {}))] },
};
const onlyPort8080: Step = {
  expect: [http('a', '/', 'allowed', { port: 8080 }), http('a', '/', 'denied', { port: 8081 })],
};
const tcp8080 = inVersion(tcpRoute('tcp', [8080]), 'v1alpha4');
const withHeaders = inVersion(routeGroup('routes', { ann: { path: '/', headers: { 'x-user': 'ann' } } }), 'v1alpha4');
const onlyAnn: Step = {
  expect: [http('a', '/', 'allowed', { headers: [['x-user', 'ann']] }), http('a', '/', 'denied')],
};
const label = (by: string) => ({ metadata: { labels: { by } } });

const CONVERSION_CASES: readonly Case[] = [
  {
    ...about,
    id: 'API-02',
    check: 2,
    group: 'admission',
    title: 'every version that the mesh claims is served, with its kinds',
    tags: ['S'],
    api: 'apiextensions.k8s.io',
    home: 'none',
    steps: [{ versions: SERVED }],
  },
  {
    ...about,
    id: 'TS-12',
    check: 12,
    title: 'v1alpha1 weights 1 and 500m are 2 to 1, and whole numbers in later versions',
    tags: ['S'],
    api: SPLIT_API,
    serves: ['split/v1alpha1', 'split/v1alpha4'],
    steps: [
      { apply: [...fleet, inVersion(split('split', ROOT, backends(1, '500m')), 'v1alpha1')] },
      { expect: [toRoot({ shares: { v1: 2, v2: 1 } })] },
      { weights: aSplit, as: 'v1alpha4', ratio: [2, 1] },
      { weights: aSplit, as: 'v1alpha2', ratio: [2, 1] },
    ],
  },
  {
    ...about,
    id: 'API-13',
    check: 13,
    title: 'v1alpha1 weights as Flagger writes them come back equal, and as whole numbers in v1alpha4',
    tags: ['T'],
    api: SPLIT_API,
    serves: ['split/v1alpha1', 'split/v1alpha4'],
    steps: [
      { apply: [inVersion(split('split', ROOT, backends('0', '100')), 'v1alpha1')] },
      { weights: aSplit, as: 'v1alpha1', equal: [0, 100] },
      { weights: aSplit, as: 'v1alpha4', equal: [0, 100] },
      { patch: aSplit, as: 'v1alpha1', with: { spec: { backends: backends('30', '70') } } },
      { weights: aSplit, as: 'v1alpha1', equal: [30, 70] },
      { weights: aSplit, as: 'v1alpha4', equal: [30, 70] },
      { patch: aSplit, as: 'v1alpha1', with: { spec: { backends: backends('500m', '1') } } },
      { rewrite: aSplit, as: 'v1alpha1' },
      { weights: aSplit, as: 'v1alpha4', ratio: [1, 2] },
      { patch: aSplit, as: 'v1alpha4', with: { spec: { backends: backends(40, 60) } } },
      { weights: aSplit, as: 'v1alpha1', equal: [40, 60] },
    ],
  },
  {
    ...about,
    id: 'TT-14',
    check: 14,
    home: 'policy',
    title: "a v1alpha2 target's port is enforced, and survives clients of v1alpha3",
    tags: ['S'],
    api: 'access.smi-spec.io',
    serves: ['access/v1alpha2', 'access/v1alpha3'],
    steps: [
      { apply: [routeGroup('any', { any: { path: '/' } }), ported] },
      onlyPort8080,
      { rewrite: target('open', grant), as: 'v1alpha3' },
      { patch: target('open', grant), as: 'v1alpha3', with: label('v1alpha3') },
      {
        read: target('open', grant),
        as: 'v1alpha2',
        holds: { spec: { destination: { port: 8080 } }, ...label('v1alpha3') },
      },
      onlyPort8080,
    ],
  },
  {
    ...about,
    id: 'TT-15',
    check: 15,
    home: 'policy',
    title: "a v1alpha4 TCPRoute's ports survive clients of v1alpha3",
    tags: ['S'],
    api: 'specs.smi-spec.io',
    serves: ['specs/v1alpha3', 'specs/v1alpha4'],
    steps: [
      { apply: [tcp8080, target('tcp', { sources: [account('a')], rules: [rule(tcp8080)] })] },
      onlyPort8080,
      { rewrite: tcpRoute('tcp', []), as: 'v1alpha3' },
      { patch: tcpRoute('tcp', []), as: 'v1alpha3', with: label('v1alpha3') },
      {
        read: tcpRoute('tcp', []),
        as: 'v1alpha4',
        holds: { spec: { matches: { ports: [8080] } }, ...label('v1alpha3') },
      },
      onlyPort8080,
    ],
  },
  {
    ...about,
    id: 'TS-16',
    check: 16,
    title: "a v1alpha4 split's matches survive a v1alpha2 client that changes weights",
    tags: ['S'],
    api: SPLIT_API,
    serves: ['split/v1alpha2', 'split/v1alpha4'],
    steps: [
      { apply: [...fleet, firefox, inVersion(split('split', ROOT, { v1: 100, v2: 0 }, [firefox]), 'v1alpha4')] },
      { expect: [toRoot({ each: ['v1'] }, FIREFOX)] },
      { patch: aSplit, as: 'v1alpha2', with: { spec: { backends: backends(0, 100) } } },
      { rewrite: aSplit, as: 'v1alpha2' },
      { read: aSplit, as: 'v1alpha4', holds: { spec: { matches: [{ kind: 'HTTPRouteGroup', name: '$id-firefox' }] } } },
      { expect: [toRoot({ each: ['v2'] }, FIREFOX), toRoot({ each: ['v1'] }, { count: 100 })] },
    ],
  },
  {
    ...about,
    id: 'HR-17',
    check: 17,
    home: 'policy',
    title: "a route group's headers survive a v1alpha1 client that adds a label",
    tags: ['S'],
    api: 'specs.smi-spec.io',
    serves: ['specs/v1alpha1', 'specs/v1alpha4'],
    steps: [
      { apply: [withHeaders, target('routes', { sources: [account('a')], rules: [rule(withHeaders)] })] },
      onlyAnn,
      { patch: routeGroup('routes', {}), as: 'v1alpha1', with: label('v1alpha1') },
      { rewrite: routeGroup('routes', {}), as: 'v1alpha1' },
      {
        read: routeGroup('routes', {}),
        as: 'v1alpha4',
        holds: { spec: { matches: [{ name: 'ann', headers: { 'x-user': 'ann' } }] }, ...label('v1alpha1') },
      },
      onlyAnn,
    ],
  },
  {
    ...about,
    id: 'API-20',
    check: 20,
    title: 'objects that were stored in the oldest version are readable in all, and mean the same',
    tags: ['T'],
    api: SPLIT_API,
    serves: ['split/v1alpha1', 'split/v1alpha4'],
    needs: ['crds'],
    alone: true,
    steps: [{ apply: fleet }, { play: 'stored-in-the-oldest-version' }],
  },
];

export const VERSION_CASES: readonly Case[] = [
  ...SAMPLE_CASES,
  ...ROUND_TRIPS,
  ...TARGET_CASES,
  ...ROUTE_CASES,
  ...SPLIT_CASES,
  ...CONVERSION_CASES,
];
