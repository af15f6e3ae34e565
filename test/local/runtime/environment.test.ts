import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG_MAPS, PODS, SECRETS } from '../../../src/local/controllers/resources.ts';
import { expand } from '../../../src/local/runtime/environment.ts';
import { eventuallyLogs, podOf, shellPod, startMachine } from './machine.ts';

test('environment: $(NAME) is replaced, $$(NAME) is not, unknown names stay', () => {
  const env = { A: '1', 'my.key': '2' };
  assert.equal(expand('$(A)-$(my.key)-$(B)-$$(A)-$A-$', env), '1-2-$(B)-$(A)-$A-$');
  assert.equal(expand('$$$(A)', env), '$1');
  assert.equal(expand('$$$$', env), '$$');
});

test('environment: fields, keys, whole ConfigMaps and Secrets reach the container, later ones win', async (t) => {
  const { client, runtime } = await startMachine(t);
  const meta = (name: string) => ({ name, namespace: 'default' });
  const data = { COLOUR: 'blue', SHAPE: 'round', 'my.key': 'dotted' };
  await client.create(CONFIG_MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: meta('settings'), data });
  const secret = { password: Buffer.from('s3cret').toString('base64') };
  await client.create(SECRETS, { apiVersion: 'v1', kind: 'Secret', metadata: meta('login'), data: secret });
  const field = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
  const env = [
    { name: 'SHAPE', value: 'square' },
    field('POD_IP', 'status.podIP'),
    field('POD_NAME', 'metadata.name'),
    field('POD_NAMESPACE', 'metadata.namespace'),
    field('ACCOUNT', 'spec.serviceAccountName'),
    field('APP', "metadata.labels['app']"),
    { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'login', key: 'password' } } },
    { name: 'ADDRESS', value: 'http://$(POD_IP):80/$(UNKNOWN)' },
    { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'absent', key: 'x', optional: true } } },
    { name: 'CORES', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
  ];
  const script =
    'echo "$1 $CFG_COLOUR $SHAPE $POD_NAME.$POD_NAMESPACE $ACCOUNT $APP $PASSWORD $ADDRESS $CORES ${NONE-unset}"; ' +
    'sleep 100';
  const container = {
    command: ['sh', '-c', script, 'sh'],
    args: ['arg-$(SHAPE)'],
    env,
    envFrom: [{ prefix: 'CFG_', configMapRef: { name: 'settings' } }],
    resources: { limits: { cpu: '500m' } },
  };
  const pod = shellPod('web', '', container, { serviceAccountName: 'default' });
  await client.create(PODS, { ...pod, metadata: { ...pod.metadata, labels: { app: 'shop' } } });
  const log = await eventuallyLogs(runtime, 'web', /\n$/);
  const ip = podOf(client, 'web').status?.podIP;
  assert.deepEqual(log.split('\n'), [
    `arg-square blue square web.default default shop s3cret http://${ip}:80/$(UNKNOWN) 500 unset`,
    '',
  ]);
  const bare = { command: ['env'], envFrom: container.envFrom }; // a shell would drop a name that it cannot spell
  await client.create(PODS, shellPod('bare', '', bare, { restartPolicy: 'Never' }));
  await eventuallyLogs(runtime, 'bare', /^CFG_my\.key=dotted$/m);
});

test('environment: volumes are folders named by the environment, tokens are in them', async (t) => {
  const { client, runtime } = await startMachine(t);
  const metadata = { name: 'settings', namespace: 'default' };
  await client.create(CONFIG_MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: '1', b: '2' } });
  const audience = { serviceAccountToken: { path: 'sub/token', audience: 'bank', expirationSeconds: 600 } };
  const volumes = [
    { name: 'settings', configMap: { name: 'settings', items: [{ key: 'b', path: 'deep/b' }] } },
    { name: 'to-bank', projected: { sources: [audience] } },
  ];
  const script =
    'cat $WEFT_VOLUME_SETTINGS/deep/b; echo; ls $WEFT_VOLUME_SETTINGS; cat $WEFT_VOLUME_TO_BANK/sub/token; echo; ' +
    'cd $WEFT_SERVICE_ACCOUNT_DIR; for f in token namespace ca.crt; do cat $f; echo; done; echo end; sleep 100';
  await client.create(PODS, shellPod('web', script, {}, { volumes }));
  const log = await eventuallyLogs(runtime, 'web', /end\n$/);
  const expected = ['2', 'deep', 'token of default for bank', 'token of default for ', 'default', 'CA', 'end', ''];
  assert.deepEqual(log.split('\n'), expected);
});
