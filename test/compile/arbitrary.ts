import fc from 'fast-check';
import { loadCrds, type CrdSchema } from '../../src/spec/crds.ts';

/** An object as JSON, the way that clients send it. */
export interface Raw {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Record<string, unknown> & { readonly name: string };
  readonly [field: string]: unknown;
}

// Few names, so that objects meet: references resolve, Services select pods, targets and splits collide.
const NAMES = ['a', 'b', 'c'];
const NAMESPACES = ['shop', 'other'];
/** Of the pods in `populated`; `allowedSet` calls as these. */
export const UIDS = NAMESPACES.flatMap((ns) => NAMES.map((own) => `${ns}-${own}`));
const name = fc.constantFrom(...NAMES);
const namespace = fc.constantFrom(...NAMESPACES);
const created = fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '');

/** What texts may be, by the name of their field; strange ones among them. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  kind: ['ServiceAccount', 'ServiceAccount', 'HTTPRouteGroup', 'TCPRoute', 'UDPRoute', 'IdentityBinding'],
  name: [...NAMES, ...NAMES, 'm1', 'm2', '*', ''],
  service: [...NAMES, ...NAMES, 'a.shop', 'b.other.svc', 'c.shop.svc.cluster.local.', 'www.example.com', '.', ''],
  namespace: [...NAMESPACES, '', 'nowhere', '../x'],
  pathRegex: ['/api', '/x$', '/a|/x', '.*', '', '(', '(?=a)', '/[a-z]+', '\\Q'],
  matches: ['m1', 'm1', 'm2', 'm2', 'gone', ''],
  'matches.name': ['m1', 'm2', ...NAMES, ''],
  'rules.matches': ['m1', 'm1', 'm2', 'm2', 'gone', ''],
  'rules.name': ['a', 'a', 'a', 'a', ...NAMES, 'gone'],
  'destination.kind': [...Array<string>(9).fill('ServiceAccount'), 'IdentityBinding', 'IdentityBinding', 'Group'],
  'schemes.serviceAccount': [...NAMES, ...NAMES, '*', ''],
  'schemes.spiffeIdentities': [...NAMESPACES, 'gone'].flatMap((ns) =>
    ['spiffe://weft.local', 'spiffe://else.where', 'weft.local'].map((domain) => `${domain}/ns/${ns}/sa/a`),
  ),
  'destination.namespace': ['', '', '', '', ...NAMESPACES, 'nowhere'],
  'destination.name': [...NAMES, ...NAMES, ...NAMES, '*'],
  'sources.kind': ['ServiceAccount', 'ServiceAccount', 'ServiceAccount', 'IdentityBinding'],
  'sources.name': [...NAMES, ...NAMES, ...NAMES, '*'],
};
const PORTS = [80, 8080, 9090, 0, -1, 70_000];

/** Any value that a structural schema admits, leaning to such as mean something. */
function admitted(schema: CrdSchema, field: string, parent: string): fc.Arbitrary<unknown> {
  const some = admittedValue(schema, field, parent);
  return schema['nullable'] === true
    ? fc.oneof({ weight: 9, arbitrary: some }, { weight: 1, arbitrary: fc.constant(null) })
    : some;
}

function admittedValue(schema: CrdSchema, field: string, parent: string): fc.Arbitrary<unknown> {
  if (field === 'weight' && schema.type === undefined) return quantity;
  if (schema['x-kubernetes-int-or-string'] === true) return fc.constantFrom(80, '80', 'none', 0);
  if (schema.enum !== undefined) return fc.constantFrom(...(schema.enum as unknown[]));
  if (field === 'headers') return headers;
  switch (schema.type) {
    case 'object':
      return admittedObject(schema, field);
    case 'array':
      return schema.items === undefined
        ? fc.constant([])
        : fc.array(admitted(schema.items, field, parent), {
            minLength: least(schema, 'minItems'),
            maxLength: 3,
            size: 'max',
          });
    case 'integer':
      return field === 'ports' ? fc.constantFrom(...PORTS) : fc.oneof(fc.nat(100), fc.constantFrom(0, 2 ** 53, 1e18));
    case 'number':
      return fc.constantFrom(0, 1, 2.5, -3, 0.001);
    case 'boolean':
      return fc.boolean();
    case 'string':
      return fc.oneof(
        { weight: 40, arbitrary: fc.constantFrom(...(TEXTS[`${parent}.${field}`] ?? TEXTS[field] ?? ['x'])) },
        fc.string(),
      );
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

/** Weights of split v1alpha1. */
const quantity = fc.oneof(
  fc.nat(100),
  fc.constantFrom('0', '1', '10', '100', '500m', '1500m', '1k', '1.5', '.5', '1e2', '1Ki', '3u', '1n', '+1', '9E'),
);

const headers = fc.oneof(
  fc.dictionary(fc.constantFrom('X-A', 'host', 'x-b', ':path'), fc.constantFrom('1', '.*', '(', 'a|b')),
  fc.array(fc.dictionary(fc.constantFrom('X-A', 'x-b'), fc.constantFrom('1', '2'), { maxKeys: 1 }), { maxLength: 2 }),
);

function least(schema: CrdSchema, keyword: 'minItems' | 'minProperties'): number {
  const limit = schema[keyword];
  return typeof limit === 'number' ? limit : 0;
}

function admittedObject(schema: CrdSchema, parent: string): fc.Arbitrary<unknown> {
  const minKeys = least(schema, 'minProperties');
  if (parent === 'matchLabels') {
    return fc.dictionary(fc.constantFrom('app', 'app', 'version'), fc.constantFrom(...NAMES), { minKeys, maxKeys: 2 });
  }
  const fields = Object.entries(schema.properties ?? {}).map(
    ([key, value]) => [key, admitted(value, key, parent)] as const,
  );
  const requiredKeys = [...(schema.required ?? [])];
  const record = fc.record(Object.fromEntries(fields), { requiredKeys });
  if (minKeys > 0) return record.filter((value) => Object.keys(value).length >= minKeys);
  // a spec may be left out, and mostly it is there
  if (parent !== '' || schema.properties?.['spec'] === undefined) return record;
  const filled = fc.record(Object.fromEntries(fields), { requiredKeys: [...requiredKeys, 'spec'] });
  return fc.oneof({ weight: 19, arbitrary: filled }, record);
}

/** Any SMI object that the CRDs admit. */
export const smiObject: fc.Arbitrary<Raw> = fc.oneof(
  ...loadCrds().flatMap(({ spec }) =>
    spec.versions.map((version) => {
      const {
        status: _,
        apiVersion: _v,
        kind: _k,
        metadata: _m,
        ...own
      } = version.schema.openAPIV3Schema.properties ?? {};
      const content = admittedObject({ ...version.schema.openAPIV3Schema, properties: own }, '');
      const fields = {
        apiVersion: fc.constant(`${spec.group}/${version.name}`),
        kind: fc.constant(spec.names.kind),
        metadata: metadata(),
      };
      const arbitrary: fc.Arbitrary<Raw> = fc
        .tuple(fc.record(fields), content)
        .map(([object, more]) => ({ ...object, ...(more as object) }));
      // as often as when each kind had one version: most objects of a mesh have to fit each other
      const frequent = spec.names.kind === 'TrafficTarget' || spec.names.kind === 'IdentityBinding';
      const weight = (frequent ? 24 : 8) / spec.versions.length;
      return { arbitrary, weight };
    }),
  ),
);

function metadata(annotations: fc.Arbitrary<Record<string, string>> = fc.constant({})): fc.Arbitrary<Raw['metadata']> {
  return fc.record({
    name,
    namespace,
    uid: fc.constantFrom('', ...UIDS),
    creationTimestamp: created,
    labels: fc.dictionary(fc.constantFrom('app', 'version'), fc.constantFrom('a', 'b')),
    annotations,
  });
}

const opaque = fc.constantFrom('', '80', '9090-9091', 'x', '99999');

const namespaceObject: fc.Arbitrary<Raw> = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('Namespace'),
  metadata: fc.record({
    name: namespace,
    annotations: fc.record(
      {
        'weft.dev/policy': fc.constantFrom('deny', 'deny', 'audit', 'permissive', 'off'),
        'weft.dev/opaque-ports': opaque,
      },
      { requiredKeys: [] },
    ),
  }),
});

const containerPort = fc.record({ name: fc.constantFrom('', 'http'), containerPort: fc.constantFrom(8080, 9090) });
const probe = fc.oneof(
  fc.record({
    httpGet: fc.record({ path: fc.constantFrom('/ready', '/x?y'), port: fc.constantFrom(8080, 'http', 15020) }),
  }),
  fc.record({ tcpSocket: fc.record({ port: fc.constantFrom(9090, 'gone') }) }),
);

const podObject: fc.Arbitrary<Raw> = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('Pod'),
  metadata: metadata(
    fc.record(
      { 'weft.dev/injected': fc.constantFrom('true', 'true', 'true', 'false'), 'weft.dev/opaque-ports': opaque },
      { requiredKeys: ['weft.dev/injected'] },
    ),
  ),
  spec: fc.record({
    serviceAccountName: name,
    containers: fc.array(
      fc.record({ name: fc.constant('app'), ports: fc.array(containerPort, { maxLength: 2 }), readinessProbe: probe }),
      { maxLength: 2 },
    ),
  }),
  status: fc.record({ phase: fc.constantFrom('Running', 'Pending', 'Succeeded'), podIP: fc.ipV4() }),
});

const serviceObject: fc.Arbitrary<Raw> = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('Service'),
  metadata: metadata(),
  spec: fc.record({
    type: fc.constantFrom('ClusterIP', 'ClusterIP', 'ClusterIP', 'ExternalName'),
    clusterIP: fc.constantFrom('10.96.0.1', '10.96.0.2', 'None'),
    selector: fc.dictionary(fc.constantFrom('app', 'version'), fc.constantFrom('a', 'b')),
    ports: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('', 'http', 'grpc-x'),
        port: fc.constantFrom(80, 8080, 3306),
        targetPort: fc.constantFrom(8080, 9090, 'http', 'gone'),
        protocol: fc.constantFrom('TCP', 'TCP', 'TCP', 'UDP'),
        appProtocol: fc.constantFrom('http', 'tcp', 'x'),
      }),
      { maxLength: 3, selector: (port) => `${port.port}/${port.protocol}` },
    ),
  }),
});

const sliceObject: fc.Arbitrary<Raw> = fc
  .record({
    service: name,
    meta: metadata(),
    ports: fc.array(fc.record({ name: fc.constantFrom('', 'http', 'grpc-x'), port: fc.constantFrom(8080, 9090) }), {
      maxLength: 2,
    }),
    endpoints: fc.array(
      fc.record(
        {
          addresses: fc.tuple(fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3')),
          conditions: fc.record({ ready: fc.boolean() }),
          targetRef: fc.record({ kind: fc.constant('Pod'), name }),
        },
        { requiredKeys: ['addresses'] },
      ),
      { maxLength: 3 },
    ),
  })
  .map(({ service, meta, ports, endpoints }) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { ...meta, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    ports,
    endpoints,
  }));

const accountObject: fc.Arbitrary<Raw> = fc.record({
  apiVersion: fc.constant('v1'),
  kind: fc.constant('ServiceAccount'),
  metadata: metadata(),
});

/** Any object that the mesh reads. */
export const anyObject: fc.Arbitrary<Raw> = fc.oneof(
  { weight: 8, arbitrary: smiObject },
  { weight: 2, arbitrary: podObject },
  { weight: 2, arbitrary: serviceObject },
  { weight: 2, arbitrary: sliceObject },
  { weight: 1, arbitrary: accountObject },
  { weight: 1, arbitrary: namespaceObject },
);

export function identityOf({ kind, metadata: { namespace: ns, name: own } }: Raw): string {
  return `${kind}/${typeof ns === 'string' ? ns : ''}/${own}`;
}

/** A set of objects, no two of one identity. */
export const meshObjects: fc.Arbitrary<Raw[]> = fc.uniqueArray(anyObject, {
  minLength: 1,
  maxLength: 40,
  size: 'max',
  selector: identityOf,
});

const SPECS = 'specs.smi-spec.io/v1alpha4';
const ROUTES: readonly (readonly [kind: string, spec: unknown])[] = [
  ['HTTPRouteGroup', { matches: [{ name: 'm1', methods: ['GET'] }, { name: 'm2' }] }],
  ['TCPRoute', { matches: { ports: [80, 9090] } }],
];

/** Something for other objects to be about: in both namespaces a pod per ServiceAccount, Services, and some routes. */
export const populated: readonly Raw[] = NAMESPACES.flatMap((ns, i): Raw[] => [
  {
    apiVersion: 'access.smi-spec.io/v1alpha4',
    kind: 'IdentityBinding',
    metadata: { name: 'labelled', namespace: ns },
    spec: { schemes: { podLabelSelector: { matchLabels: { app: 'b' } } } },
  },
  ...ROUTES.map(([kind, spec]) => ({ apiVersion: SPECS, kind, metadata: { name: 'a', namespace: ns }, spec })),
  ...NAMES.flatMap((own, j): Raw[] => [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `pod-${own}`,
        namespace: ns,
        uid: `${ns}-${own}`,
        labels: { app: own },
        annotations: { 'weft.dev/injected': 'true' },
      },
      spec: { serviceAccountName: own, containers: [{ name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }] },
      status: { phase: 'Running', podIP: `10.0.${i}.${j + 1}` },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `service-${own}`, namespace: ns },
      spec: { clusterIP: `10.96.${i}.${j + 1}`, selector: { app: own }, ports: [{ port: 80, targetPort: 'http' }] },
    },
  ]),
]);

const account = fc.record({ kind: fc.constant('ServiceAccount'), name });

/** A subject without fault; `labelled` is an IdentityBinding that `populated` has. */
const subject = fc.oneof(account, fc.constant({ kind: 'IdentityBinding', name: 'labelled' }));

/** A target without fault, unless one of its routes does not exist. */
const soundTarget: fc.Arbitrary<Raw> = fc.record({
  apiVersion: fc.constant('access.smi-spec.io/v1alpha3'),
  kind: fc.constant('TrafficTarget'),
  metadata: fc.record({ name: fc.constantFrom('sound-1', 'sound-2', 'sound-3'), namespace }),
  spec: fc.record({
    destination: subject,
    sources: fc.array(subject, { minLength: 1, maxLength: 2 }),
    rules: fc.array(
      fc.record({ kind: fc.constantFrom('HTTPRouteGroup', 'TCPRoute'), name: fc.constantFrom('a', 'a', 'b') }),
      { minLength: 1, maxLength: 2 },
    ),
  }),
});

/** A mesh in which most likely somebody may call somebody. */
export const grantingMesh: fc.Arbitrary<Raw[]> = fc
  .tuple(fc.uniqueArray(soundTarget, { minLength: 1, selector: identityOf }), meshObjects)
  .map(([sound, others]) => {
    const objects = [...populated, ...sound, ...others];
    return [...new Map(objects.map((raw) => [identityOf(raw), raw])).values()];
  });
