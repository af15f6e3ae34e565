import type { KubeObject } from '../kube.ts';

/**
 * An object of each shape that the documents of SMI show, in every published version: fields that only the text knows
 * (`group`, `apiGroup`, the name of a TCPRoute's matches) among them, for strict clients apply those too.
 */
type Shape = Omit<KubeObject, 'apiVersion' | 'kind' | 'metadata'>;

function sample(apiVersion: string, kind: string, name: string, shape: Shape): KubeObject {
  const metadata = { name: `$id-${name}`, labels: { sample: 'yes' }, annotations: { 'conformance.test/note': 'kept' } };
  return { apiVersion, kind, metadata, ...shape };
}

const account = (name: string) => ({ kind: 'ServiceAccount', name, namespace: '$ns' });
const binding = (name: string) => ({ kind: 'IdentityBinding', name: `$id-${name}`, namespace: '$ns' });
const routes = (...matches: string[]) => ({ kind: 'HTTPRouteGroup', name: '$id-routes', matches });
const tcp = { kind: 'TCPRoute', name: '$id-tcp' };
const udp = { kind: 'UDPRoute', name: '$id-udp' };

const ACCESS = 'access.smi-spec.io';
const SPECS = 'specs.smi-spec.io';
const SPLIT = 'split.smi-spec.io';

const scrape = { name: 'scrape', pathRegex: '/scrape', methods: ['GET'] };
const anything = { name: 'anything', pathRegex: '.*', methods: ['*'] };
const browser = { name: 'browser', headers: { 'user-agent': '.*Gecko.*' }, methods: ['GET'] };
const browserAsList = {
  name: 'listed',
  pathRegex: '/page',
  headers: [{ 'user-agent': '.*Gecko.*' }, { 'x-team': 'qa' }],
};
const weights = (v1: number | string, v2: number | string) => [
  { service: '$id-v1', weight: v1 },
  { service: '$id-v2', weight: v2 },
];

/** By `group/version`. */
export const SAMPLES: Readonly<Record<string, readonly KubeObject[]>> = {
  'access/v1alpha1': [
    sample(`${ACCESS}/v1alpha1`, 'TrafficTarget', 'with-port', {
      destination: { ...account('store'), port: 8080 },
      specs: [routes('scrape')],
      sources: [account('collector')],
    }),
    sample(`${ACCESS}/v1alpha1`, 'TrafficTarget', 'without-port', {
      destination: account('store'),
      specs: [tcp, routes('scrape', 'anything')],
      sources: [account('collector'), account('front')],
    }),
  ],
  'access/v1alpha2': [
    sample(`${ACCESS}/v1alpha2`, 'TrafficTarget', 'with-port', {
      spec: {
        destination: { ...account('store'), port: 8080 },
        rules: [routes('scrape')],
        sources: [account('collector')],
      },
    }),
    sample(`${ACCESS}/v1alpha2`, 'TrafficTarget', 'without-port', {
      spec: { destination: account('store'), rules: [tcp, routes('anything')], sources: [account('collector')] },
    }),
  ],
  'access/v1alpha3': [
    sample(`${ACCESS}/v1alpha3`, 'TrafficTarget', 'routes', {
      spec: { destination: account('store'), rules: [tcp, routes('scrape')], sources: [account('collector')] },
    }),
    sample(`${ACCESS}/v1alpha3`, 'TrafficTarget', 'layer-4', {
      spec: { destination: account('store'), rules: [tcp, udp], sources: [account('store')] },
    }),
  ],
  'access/v1alpha4': [
    sample(`${ACCESS}/v1alpha4`, 'TrafficTarget', 'bindings', {
      spec: {
        destination: { ...binding('store'), group: ACCESS },
        rules: [{ ...routes('scrape'), name: '$id-routes' }, tcp],
        sources: [{ ...binding('collector'), group: ACCESS }],
      },
    }),
    sample(`${ACCESS}/v1alpha4`, 'TrafficTarget', 'accounts', {
      spec: { destination: account('store'), rules: [tcp, udp], sources: [account('collector')] },
    }),
    sample(`${ACCESS}/v1alpha4`, 'IdentityBinding', 'by-label', {
      spec: {
        schemes: {
          podLabelSelector: { matchLabels: { app: 'collector' } },
          spiffeIdentities: ['spiffe://example.test/ns/front/sa/one', 'spiffe://example.test/ns/front/sa/two'],
        },
      },
    }),
    sample(`${ACCESS}/v1alpha4`, 'IdentityBinding', 'by-account', { spec: { schemes: { serviceAccount: 'store' } } }),
  ],
  'specs/v1alpha1': [
    sample(`${SPECS}/v1alpha1`, 'HTTPRouteGroup', 'routes', { matches: [scrape, anything] }),
    sample(`${SPECS}/v1alpha1`, 'TCPRoute', 'tcp', {}),
  ],
  'specs/v1alpha2': [
    sample(`${SPECS}/v1alpha2`, 'HTTPRouteGroup', 'routes', { matches: [scrape, browser, browserAsList] }),
    sample(`${SPECS}/v1alpha2`, 'TCPRoute', 'tcp', {}),
  ],
  'specs/v1alpha3': [
    sample(`${SPECS}/v1alpha3`, 'HTTPRouteGroup', 'routes', { spec: { matches: [scrape, browser, browserAsList] } }),
    sample(`${SPECS}/v1alpha3`, 'TCPRoute', 'tcp', { spec: {} }),
  ],
  'specs/v1alpha4': [
    sample(`${SPECS}/v1alpha4`, 'HTTPRouteGroup', 'routes', { spec: { matches: [scrape, browser, browserAsList] } }),
    sample(`${SPECS}/v1alpha4`, 'TCPRoute', 'tcp', {
      spec: { matches: { name: 'tcp-ports', ports: [8301, 8302, 8300] } },
    }),
    sample(`${SPECS}/v1alpha4`, 'TCPRoute', 'any-tcp', { spec: { matches: { ports: [] } } }),
    sample(`${SPECS}/v1alpha4`, 'UDPRoute', 'udp', { spec: { matches: { name: 'udp-ports', ports: [8301, 8302] } } }),
  ],
  'split/v1alpha1': [
    sample(`${SPLIT}/v1alpha1`, 'TrafficSplit', 'whole', { spec: { service: '$id-web', backends: weights(1, 0) } }),
    sample(`${SPLIT}/v1alpha1`, 'TrafficSplit', 'parts', {
      spec: { service: '$id-web', backends: weights(1, '500m') },
    }),
  ],
  'split/v1alpha2': [
    sample(`${SPLIT}/v1alpha2`, 'TrafficSplit', 'split', { spec: { service: '$id-web', backends: weights(90, 10) } }),
  ],
  'split/v1alpha3': [conditional('v1alpha3')],
  'split/v1alpha4': [
    conditional('v1alpha4'),
    sample(`${SPLIT}/v1alpha4`, 'TrafficSplit', 'split', {
      spec: { service: '$id-web.$ns', backends: weights(1000, 500) },
    }),
  ],
};

function conditional(version: string): KubeObject {
  return sample(`${SPLIT}/${version}`, 'TrafficSplit', 'conditional', {
    spec: {
      service: '$id-web',
      matches: [{ kind: 'HTTPRouteGroup', name: '$id-routes', apiGroup: SPECS }],
      backends: weights(0, 100),
    },
  });
}

/** Shown beside a split of v1alpha3 and v1alpha4: matches at the root, where these versions have none. */
export const LEFTOVERS: readonly KubeObject[] = ['v1alpha3', 'v1alpha4'].map((version) =>
  sample(`${SPECS}/${version}`, 'HTTPRouteGroup', 'leftover', { matches: [browser] }),
);
