import type { Case, Step } from '../case.ts';
import type { KubeObject } from '../kube.ts';
import { account, everything, routeGroup, rule, service, split, target, udpRoute, withSpec } from './objects.ts';

/** Checks 1, 3 and 5 to 11 of docs/smi.md 6: what the API lists, accepts and refuses. */

const about = { home: 'split', group: 'admission' } as const;

function refused(object: KubeObject, mentions?: string): Step {
  return { admission: object, is: 'refused', ...(mentions === undefined ? {} : { mentions }) };
}

function admitted(object: KubeObject): Step {
  return { admission: object, is: 'admitted' };
}

const valid = target('valid', {
  sources: [account('a')],
  rules: [rule(everything)],
  destination: account('b', '$ns'),
});

function withRule(kind: string): KubeObject {
  return withSpec(valid, { rules: [{ kind, name: '$id-routes' }] });
}

/** A target of one of the versions before UDPRoute came. */
function older(version: 'v1alpha1' | 'v1alpha2', kind: string): KubeObject {
  const { destination, sources, rules } = withRule(kind)['spec'] as Record<string, unknown>;
  const { kind: own, metadata } = valid;
  const object = { apiVersion: `access.smi-spec.io/${version}`, kind: own, metadata };
  return version === 'v1alpha1'
    ? { ...object, destination, sources, specs: rules }
    : { ...object, spec: { destination, sources, rules } };
}

function withMethod(method: string): KubeObject {
  return routeGroup('methods', { match: { path: '/', methods: [method] } });
}

function withWeight(weight: unknown): KubeObject {
  return split('split', '$id-root', [{ service: '$id-v1', weight }]);
}

const METHODS = ['*', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

function without(object: KubeObject, field: string): KubeObject {
  const spec = { ...(object['spec'] as Record<string, unknown>) };
  delete spec[field];
  return { ...object, spec };
}

export const ADMISSION_CASES: readonly Case[] = [
  {
    ...about,
    id: 'API-01',
    check: 1,
    title: 'discovery lists the SMI kinds with their names',
    tags: ['S'],
    api: 'apiextensions.k8s.io',
    home: 'none',
    steps: [
      {
        kinds: [
          { group: 'access', kind: 'TrafficTarget', plural: 'traffictargets', singular: 'traffictarget', short: 'tt' },
          {
            group: 'specs',
            kind: 'HTTPRouteGroup',
            plural: 'httproutegroups',
            singular: 'httproutegroup',
            short: 'htr',
          },
          { group: 'specs', kind: 'TCPRoute', plural: 'tcproutes', singular: 'tcproute', short: 'tr' },
          { group: 'specs', kind: 'UDPRoute', plural: 'udproutes', singular: 'udproute', short: 'ur' },
          { group: 'split', kind: 'TrafficSplit', plural: 'trafficsplits', singular: 'trafficsplit', short: 'ts' },
        ],
      },
    ],
  },
  {
    ...about,
    id: 'API-01b',
    check: 1,
    title: 'discovery lists IdentityBinding with its names',
    tags: ['S'],
    api: 'apiextensions.k8s.io',
    home: 'none',
    serves: ['access/v1alpha4'],
    steps: [
      {
        kinds: [
          {
            group: 'access',
            kind: 'IdentityBinding',
            plural: 'identitybindings',
            singular: 'identitybinding',
            short: 'ib',
            version: 'v1alpha4',
          },
        ],
      },
    ],
  },
  {
    ...about,
    id: 'API-03',
    check: 3,
    title: 'kubectl get trafficsplits shows the Service',
    tags: ['S'],
    api: 'apiextensions.k8s.io',
    steps: [
      {
        column: {
          of: split('split', '$id-root', { v1: 1 }),
          name: 'Service',
          value: '$id-root',
        },
      },
    ],
  },
  {
    ...about,
    id: 'API-05',
    check: 5,
    title: 'a TrafficTarget without sources, rules or destination is refused',
    tags: ['S'],
    api: 'access.smi-spec.io',
    steps: [
      refused(without(valid, 'sources'), 'sources'),
      refused(without(valid, 'rules'), 'rules'),
      refused(without(valid, 'destination'), 'destination'),
      admitted(valid),
    ],
  },
  {
    ...about,
    id: 'API-07',
    check: 7,
    title: 'rules know HTTPRouteGroup, TCPRoute and UDPRoute, and no other kind',
    tags: ['S'],
    api: 'access.smi-spec.io',
    steps: [
      refused(withRule('Foo'), 'kind'),
      ...['HTTPRouteGroup', 'TCPRoute', 'UDPRoute'].map((kind) => admitted(withRule(kind))),
      admitted(udpRoute('udp', [53])),
    ],
  },
  {
    ...about,
    id: 'API-07b',
    check: 7,
    title: 'rules of v1alpha1 and v1alpha2 do not know UDPRoute',
    tags: ['S'],
    api: 'access.smi-spec.io',
    serves: ['access/v1alpha1', 'access/v1alpha2'],
    steps: [
      refused(older('v1alpha2', 'UDPRoute'), 'kind'),
      admitted(older('v1alpha2', 'TCPRoute')),
      refused(older('v1alpha1', 'UDPRoute'), 'kind'),
      admitted(older('v1alpha1', 'TCPRoute')),
    ],
  },
  {
    ...about,
    id: 'API-08',
    check: 8,
    title: 'methods are the nine verbs in upper case and *',
    tags: ['S'],
    api: 'specs.smi-spec.io',
    steps: [
      refused(withMethod('get'), 'methods'),
      refused(withMethod('FOO'), 'methods'),
      ...METHODS.map((method) => admitted(withMethod(method))),
    ],
  },
  {
    ...about,
    id: 'API-09',
    check: 9,
    title: 'headers are admitted as a map and as a list of maps',
    tags: ['S', 'H15'],
    api: 'specs.smi-spec.io',
    steps: [
      admitted(routeGroup('map', { match: { headers: { 'x-user': 'a.*' } } })),
      admitted(routeGroup('list', { match: { headers: [{ 'x-user': 'a.*' }, { 'x-team': 'b' }] } })),
    ],
  },
  {
    ...about,
    id: 'API-10',
    check: 10,
    title: 'a pattern that is no regex, or has a backreference, is refused or reported, naming the field',
    tags: ['H12', 'H3'],
    api: 'specs.smi-spec.io',
    steps: [
      { refusedOrEvent: routeGroup('broken', { match: { path: '(' } }), mentions: 'pathRegex' },
      { refusedOrEvent: routeGroup('backreference', { match: { path: '/(a)\\1' } }), mentions: 'pathRegex' },
      { refusedOrEvent: routeGroup('lookahead', { match: { path: '/(?!admin)' } }), mentions: 'pathRegex' },
    ],
  },
  {
    ...about,
    id: 'API-11',
    check: 11,
    title: 'weights are whole numbers from 0',
    tags: ['S'],
    api: 'split.smi-spec.io',
    steps: [
      { apply: [service('root', 'v1'), service('v1', 'v1')] },
      refused(withWeight(1.5), 'weight'),
      refused(withWeight(-1), 'weight'),
      refused(withWeight('10'), 'weight'),
      admitted(withWeight(0)),
      admitted(withWeight(1000)),
    ],
  },
  ...['v1alpha2', 'v1alpha3', 'v1alpha4'].map((version, i): Case => {
    const weighing = (weight: unknown) => ({ ...withWeight(weight), apiVersion: `split.smi-spec.io/${version}` });
    return {
      ...about,
      id: `API-11${'bcd'[i]}`,
      check: 11,
      title: `weights of split/${version} are whole numbers from 0`,
      tags: ['S'],
      api: 'split.smi-spec.io',
      serves: [`split/${version}`],
      steps: [
        ...[1.5, -1, '10'].map((weight) => refused(weighing(weight), 'weight')),
        ...[0, 1, 1000].map((weight) => admitted(weighing(weight))),
      ],
    };
  }),
];
