import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readObject } from '../../src/spec/read.ts';

function read(apiVersion: string, kind: string, fields: object): Record<string, unknown> {
  const { object, diagnostics } = readObject({ apiVersion, kind, metadata: { name: 'a', namespace: 'n' }, ...fields });
  assert.deepEqual(diagnostics, []);
  assert.ok(object);
  return { ...object };
}

test('reader of Services: fills in what Kubernetes leaves out', () => {
  const { spec } = read('v1', 'Service', {
    spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }], selector: { app: 'a' } },
  });
  assert.deepEqual(spec, {
    type: 'ClusterIP',
    clusterIPs: ['10.0.0.1'],
    headless: false,
    selector: new Map([['app', 'a']]),
    ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 80 }],
  });
});

test('reader of Services: both address families, named target port, appProtocol', () => {
  const ports = [{ name: 'db', port: 80, targetPort: 'sql', protocol: 'TCP', appProtocol: 'tcp' }];
  const { spec } = read('v1', 'Service', { spec: { clusterIPs: ['10.0.0.1', 'fd00::1'], ports } });
  assert.deepEqual(spec, { type: 'ClusterIP', clusterIPs: ['10.0.0.1', 'fd00::1'], headless: false, ports });
});

test('reader of Services: headless and ExternalName have no cluster IP', () => {
  const headless = read('v1', 'Service', { spec: { clusterIP: 'None', clusterIPs: ['None'] } });
  assert.deepEqual(headless['spec'], { type: 'ClusterIP', clusterIPs: [], headless: true, ports: [] });
  const external = read('v1', 'Service', { spec: { type: 'ExternalName', externalName: 'example.com' } });
  assert.deepEqual(external['spec'], { type: 'ExternalName', clusterIPs: [], headless: false, ports: [] });
});

test('reader of EndpointSlices: an unknown condition counts as ready, targets other than pods have no pod', () => {
  const slice = read('discovery.k8s.io/v1', 'EndpointSlice', {
    metadata: { name: 'a', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }, {}],
    endpoints: [
      { addresses: ['10.1.0.1'], targetRef: { kind: 'Pod', name: 'web-1' } },
      {
        addresses: ['10.1.0.2'],
        conditions: { ready: false, terminating: true },
        targetRef: { kind: 'Node', name: 'x' },
      },
    ],
  });
  assert.equal(slice['service'], 'web');
  assert.deepEqual(slice['ports'], [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  assert.deepEqual(slice['endpoints'], [
    { addresses: ['10.1.0.1'], ready: true, terminating: false, pod: 'web-1' },
    { addresses: ['10.1.0.2'], ready: false, terminating: true },
  ]);
});

test('reader of Pods: identity, addresses, readiness', () => {
  const pod = read('v1', 'Pod', {
    spec: { containers: [{ name: 'web' }] },
    status: { phase: 'Running', podIP: '10.1.0.1', conditions: [{ type: 'Ready', status: 'True' }] },
  });
  assert.deepEqual(pod['spec'], {
    serviceAccountName: 'default',
    hostNetwork: false,
    nodeName: '',
    containers: [{ name: 'web', ports: [], probes: [] }],
  });
  assert.deepEqual(pod['status'], { phase: 'Running', podIPs: ['10.1.0.1'], ready: true });
});

test('reader of Pods: a pod that has not started has no address and is not ready', () => {
  const pod = read('v1', 'Pod', { spec: {}, status: {} });
  assert.deepEqual(pod['status'], { phase: '', podIPs: [], ready: false });
});

test('reader of Pods: probes are what the kubelet calls, ports by name resolved, each once (smi.md A15)', () => {
  const http = { httpGet: { path: '/ready', port: 'web' } };
  const pod = read('v1', 'Pod', {
    spec: {
      containers: [
        {
          name: 'web',
          ports: [{ name: 'web', containerPort: 8080 }],
          startupProbe: http,
          readinessProbe: http,
          livenessProbe: { tcpSocket: { port: 8080 } },
        },
        { name: 'rpc', readinessProbe: { grpc: { port: 9000 } }, livenessProbe: { exec: { command: ['true'] } } },
        { name: 'far', livenessProbe: { httpGet: { host: 'example.com', port: 80 } } },
        { name: 'typo', livenessProbe: { httpGet: { port: 'nobody' } } },
      ],
      initContainers: [
        { name: 'proxy', restartPolicy: 'Always', readinessProbe: { httpGet: { port: 15020 } } },
        { name: 'once', readinessProbe: { httpGet: { port: 1 } } },
      ],
    },
  });
  const { containers } = pod['spec'] as { containers: { name: string; probes: unknown[] }[] };
  assert.deepEqual(
    containers.map((c) => [c.name, c.probes]),
    [
      [
        'web',
        [
          { type: 'http', port: 8080, path: '/ready' },
          { type: 'tcp', port: 8080 },
        ],
      ],
      ['rpc', [{ type: 'grpc', port: 9000 }]],
      ['far', []],
      ['typo', []],
      ['proxy', [{ type: 'http', port: 15020, path: '/' }]],
    ],
  );
});

test('reader of workload owners: ReplicaSets and Jobs with their own owners', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'u', controller: true };
  const set = read('apps/v1', 'ReplicaSet', { metadata: { name: 'web-1', ownerReferences: [owner] } });
  assert.deepEqual((set['metadata'] as { ownerReferences: unknown }).ownerReferences, [owner]);
  assert.equal(read('batch/v1', 'Job', {})['kind'], 'Job');
});
