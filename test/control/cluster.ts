import { INJECTED } from '../../src/spec/names.ts';
import { SnapshotStore } from '../../src/spec/snapshot-store.ts';
import type { Pod } from '../../src/spec/kubernetes.ts';
import type { Snapshot } from '../../src/spec/snapshot.ts';

const meta = (name: string, extra: object = {}) => ({
  name,
  namespace: 'shop',
  uid: `uid-${name}`,
  resourceVersion: '1',
  ...extra,
});

function pod(name: string, serviceAccount: string, ip: string) {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: meta(name, { labels: { app: serviceAccount }, annotations: { [INJECTED]: 'true' } }),
    spec: {
      serviceAccountName: serviceAccount,
      nodeName: 'n1',
      containers: [{ name: 'app', ports: [{ containerPort: 8080 }] }],
    },
    status: { phase: 'Running', podIPs: [{ ip }], podIP: ip, conditions: [{ type: 'Ready', status: 'True' }] },
  };
}

/** A shop of two workloads, web and cart, each with a Service of its name; web may GET the cart. */
export function shop() {
  const store = new SnapshotStore();
  const put = (raw: object) => store.upsert(raw, { kind: (raw as { kind: 'Pod' }).kind });
  const namespace = {
    name: 'shop',
    uid: 'ns',
    labels: { 'weft.dev/inject': 'enabled' },
    annotations: { 'weft.dev/policy': 'deny' },
  };
  put({ apiVersion: 'v1', kind: 'Namespace', metadata: namespace });
  for (const [name, ip] of [
    ['web', '10.1.0.1'],
    ['cart', '10.1.0.2'],
  ] as const) {
    put({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta(name) });
    put(pod(`${name}-1`, name, ip));
    put({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: meta(name),
      spec: {
        clusterIPs: [`10.0.0.${ip.at(-1)}`],
        selector: { app: name },
        ports: [{ port: 80, targetPort: 8080, protocol: 'TCP' }],
      },
    });
    put({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: meta(`${name}-x`, { labels: { 'kubernetes.io/service-name': name } }),
      addressType: 'IPv4',
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: [ip],
          conditions: { ready: true },
          targetRef: { kind: 'Pod', name: `${name}-1`, namespace: 'shop' },
        },
      ],
    });
  }
  return {
    put,
    remove: (kind: 'TrafficSplit' | 'Pod', name: string) => store.delete(kind, 'shop', name),
    snapshot: (): Snapshot => store.snapshot(),
    pod: (name: string): Pod | undefined => store.snapshot().pods.get(`shop/${name}`),
  };
}

export function split(weight: number) {
  return {
    apiVersion: 'split.smi-spec.io/v1alpha4',
    kind: 'TrafficSplit',
    metadata: meta('cart-split'),
    spec: {
      service: 'cart',
      backends: [
        { service: 'cart', weight },
        { service: 'web', weight: 1 },
      ],
    },
  };
}

export const target = {
  apiVersion: 'access.smi-spec.io/v1alpha3',
  kind: 'TrafficTarget',
  metadata: meta('web-to-cart'),
  spec: {
    destination: { kind: 'ServiceAccount', name: 'cart', namespace: 'shop' },
    sources: [{ kind: 'ServiceAccount', name: 'web', namespace: 'shop' }],
    rules: [{ kind: 'TCPRoute', name: 'any' }],
  },
};

export const anyPort = {
  apiVersion: 'specs.smi-spec.io/v1alpha4',
  kind: 'TCPRoute',
  metadata: meta('any'),
  spec: { matches: { ports: [8080] } },
};
