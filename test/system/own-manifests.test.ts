import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, kubectlMissing, startMesh } from './local-mesh.ts';

const web = `
apiVersion: v1
kind: ConfigMap
metadata: { name: words }
data: { greeting: hello }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      containers:
        - name: web
          image: ignored
          command: [${process.execPath}, -e]
          args: ["require('http').createServer((q, r) => r.end(process.env.greeting + '\\\\n')).listen(8080, process.env.POD_IP)"]
          envFrom: [{ configMapRef: { name: words } }]
          env: [{ name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }]
          ports: [{ containerPort: 8080 }]
          readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
`;

test(
  'own manifests: a Deployment of local commands is served, scaled, rolled out and explained',
  { skip: kubectlMissing },
  async () => {
    const mesh = await startMesh(['--no-demo']);
    try {
      const ok = async (args: readonly string[], stdin?: string) => {
        const result = await mesh.kubectl(args, stdin);
        assert.equal(result.code, 0, `kubectl ${args.join(' ')}\n${result.stderr}\n${mesh.output()}`);
        return result.stdout;
      };
      await ok(['apply', '-f', '-'], web);
      await ok(['rollout', 'status', 'deploy/web', '--timeout=20s']);
      assert.equal(await ok(['exec', 'deploy/web', '--', 'curl', '-s', 'http://web/']), 'hello\n');
      await ok(['scale', 'deploy/web', '--replicas=2']);
      await ok(['wait', '--for=jsonpath={.status.readyReplicas}=2', 'deploy/web', '--timeout=20s']);
      await ok(['set', 'env', 'deploy/web', 'greeting=hi']);
      await ok(['rollout', 'status', 'deploy/web', '--timeout=30s']);
      await eventually(async () =>
        assert.equal(await ok(['exec', 'deploy/web', '--', 'curl', '-s', 'http://web/']), 'hi\n'),
      );
      assert.match(await ok(['explain', 'trafficsplit.spec.backends.weight']), /DESCRIPTION:\n\s+\S+/);
      await ok(['delete', 'deploy/web', '--wait']);
      await eventually(async () => assert.equal(await ok(['get', 'pods', '-o', 'name']), ''));
    } finally {
      await mesh.stop();
    }
  },
);

test('own manifests: with --data-dir, kill -9 loses no acknowledged object', { skip: kubectlMissing }, async () => {
  const data = mkdtempSync(join(tmpdir(), 'weft-data-'));
  try {
    const first = await startMesh(['--no-demo', '--data-dir', data]);
    for (let i = 0; i < 5; i++) {
      const made = await first.kubectl(['create', 'configmap', `map-${i}`, '--from-literal=a=b']);
      assert.equal(made.code, 0, made.stderr);
    }
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'stays', namespace: 'default' },
      spec: { containers: [{ name: 'c', command: ['sleep', '1000'] }] },
    };
    const { code } = await first.kubectl(['apply', '-f', '-'], JSON.stringify(pod));
    assert.equal(code, 0);
    first.child.kill('SIGKILL');
    await first.stop();
    const second = await startMesh(['--no-demo', '--data-dir', data]);
    assert.match(second.output(), /^mesh ready: 1 pod, each/m); // the pod of the first is back, with its sidecar
    const { stdout } = await second.kubectl(['get', 'configmaps', '-o', 'name']);
    for (let i = 0; i < 5; i++) assert.match(stdout, new RegExp(`configmap/map-${i}\\n`));
    assert.equal(await second.stop(), 0);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
