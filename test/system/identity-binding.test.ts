import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, kubectlMissing, startMesh } from './local-mesh.ts';

const caller = (name: string, color: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { color: ${color} } }
spec:
  serviceAccountName: callers
  containers: [{ name: app, image: ignored, command: [sleep, '1000'] }]
---`;

const SCENE = `
apiVersion: v1
kind: Namespace
metadata: { name: default, annotations: { weft.dev/policy: deny } }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: callers }
---
apiVersion: v1
kind: ServiceAccount
metadata: { name: web }
---${caller('red', 'red')}${caller('blue', 'blue')}
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  serviceAccountName: web
  containers:
    - name: web
      image: ignored
      command: [${process.execPath}, -e]
      args: ["require('http').createServer((q, r) => r.end('hello')).listen(8080, process.env.POD_IP)"]
      env: [{ name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }]
      ports: [{ containerPort: 8080 }]
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: specs.smi-spec.io/v1alpha4
kind: TCPRoute
metadata: { name: any }
spec: { matches: { ports: [] } }
---
apiVersion: access.smi-spec.io/v1alpha4
kind: TrafficTarget
metadata: { name: red-only }
spec:
  destination: { kind: ServiceAccount, name: web }
  sources: [{ kind: IdentityBinding, name: red }]
  rules: [{ kind: TCPRoute, name: any }]
---
apiVersion: access.smi-spec.io/v1alpha4
kind: IdentityBinding
metadata: { name: red }
spec: { schemes: { podLabelSelector: { matchLabels: { color: red } } } }
`;

test(
  'identity binding: of two pods with one ServiceAccount those with the labels get in, as long as they have them',
  { skip: kubectlMissing },
  async () => {
    const mesh = await startMesh(['--no-demo']);
    try {
      const ok = async (args: readonly string[], stdin?: string) => {
        const result = await mesh.kubectl(args, stdin);
        assert.equal(result.code, 0, `kubectl ${args.join(' ')}\n${result.stderr}\n${mesh.output()}`);
        return result.stdout;
      };
      const status = (pod: string) =>
        ok(['exec', pod, '-c', 'app', '--', 'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', 'http://web/']);
      const becomes = (pod: string, code: string) => eventually(async () => assert.equal(await status(pod), code));
      await ok(['apply', '-f', '-'], SCENE);
      await ok(['wait', '--for=condition=Ready', 'pod/red', 'pod/blue', 'pod/web', '--timeout=20s']);
      for (const object of ['identitybinding/red', 'traffictarget/red-only', 'tcproute/any']) {
        await ok(['wait', '--for=condition=Programmed', object, '--timeout=20s']);
      }
      await becomes('red', '200');
      assert.equal(await status('blue'), '403');
      await ok(['label', 'pod', 'red', 'color-']);
      await becomes('red', '403');
      await ok(['label', 'pod', 'blue', 'color=red', '--overwrite']);
      await becomes('blue', '200');
      assert.equal(await status('red'), '403');
      const shown = await ok(['get', 'identitybinding/red', '-o', 'jsonpath={.status.conditions[*].type}']);
      assert.equal(shown, 'Accepted ResolvedRefs Conflicted Programmed');
    } finally {
      assert.equal(await mesh.stop(), 0, mesh.output());
    }
  },
);
