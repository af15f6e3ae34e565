import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { type CoreV1Api, CoreV1Api as Core, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';
import { type Body, CONFIG_MAPS, configMap, gadget, gadgetCrd, CRDS, GADGETS, serve } from './serve.ts';

async function next(lines: AsyncIterator<Body>): Promise<string> {
  const { value } = (await lines.next()) as {
    value: { type: string; object: { metadata?: { name?: string }; code?: number } };
  };
  return `${value.type} ${value.object.metadata?.name ?? value.object.code}`;
}

test('watch: begins with what is there, or after the version that was asked for', async (t) => {
  const { call, lines } = await serve(t);
  const a = (await call('POST', CONFIG_MAPS, { body: configMap('a') })).body;
  await call('POST', CONFIG_MAPS, { body: configMap('b') });
  const all = await lines(`${CONFIG_MAPS}?watch=true`);
  assert.deepEqual([await next(all), await next(all)], ['ADDED a', 'ADDED b']);
  const later = await lines(`${CONFIG_MAPS}?watch=1&resourceVersion=${String(a['metadata']?.['resourceVersion'])}`);
  assert.equal(await next(later), 'ADDED b');
  await call('DELETE', `${CONFIG_MAPS}/a`);
  assert.equal(await next(later), 'DELETED a');
  assert.equal(await next(all), 'DELETED a');
});

test('watch: objects come and go as they begin and cease to match the selector', async (t) => {
  const { call, lines } = await serve(t);
  const watch = await lines(`${CONFIG_MAPS}?watch=true&labelSelector=color%3Dred`);
  const label = (color: string) =>
    call('PATCH', `${CONFIG_MAPS}/a`, {
      body: { metadata: { labels: { color } } },
      type: 'application/merge-patch+json',
    });
  await call('POST', CONFIG_MAPS, { body: configMap('a', {}, { color: 'blue' }) });
  await label('red');
  await label('blue');
  await label('red');
  await call('DELETE', `${CONFIG_MAPS}/a`);
  assert.deepEqual(
    [await next(watch), await next(watch), await next(watch), await next(watch)],
    ['ADDED a', 'DELETED a', 'ADDED a', 'DELETED a'],
  );
});

test('watch: a version that has left the history is 410, so is one that was never reached', async (t) => {
  const { call, lines } = await serve(t, { historySize: 4 });
  const first = (await call('POST', CONFIG_MAPS, { body: configMap('a') })).body;
  for (let i = 0; i < 10; i++) await call('POST', CONFIG_MAPS, { body: configMap(`n${i}`) });
  const old = await lines(
    `${CONFIG_MAPS}?watch=true&resourceVersion=${String(first['metadata']?.['resourceVersion'])}`,
  );
  assert.equal(await next(old), 'ERROR 410');
  assert.equal(await next(await lines(`${CONFIG_MAPS}?watch=true&resourceVersion=99999`)), 'ERROR 410');
});

test('watch: bookmarks carry the newest version, and mark the end of the initial events', async (t) => {
  const { call, lines } = await serve(t, { bookmarkMs: 30 });
  await call('POST', CONFIG_MAPS, { body: configMap('a') });
  const watch = await lines(
    `${CONFIG_MAPS}?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`,
  );
  assert.equal(await next(watch), 'ADDED a');
  const end = ((await watch.next()).value as Body)['object'];
  assert.equal(String(end?.['metadata']?.['annotations']?.['k8s.io/initial-events-end']), 'true');
  const made = await call('POST', '/api/v1/namespaces/default/secrets', {
    body: { ...configMap('s'), kind: 'Secret' },
  });
  for (;;) {
    const { value } = (await watch.next()) as {
      value: { type: string; object: { metadata: { resourceVersion: string } } };
    };
    assert.equal(value.type, 'BOOKMARK');
    if (value.object.metadata.resourceVersion === String(made.body['metadata']?.['resourceVersion'])) break;
  }
});

test('watch: as a table, only the first event names the columns', async (t) => {
  const { call, lines } = await serve(t);
  await call('POST', CONFIG_MAPS, { body: configMap('a', { x: '1' }) });
  await call('POST', CONFIG_MAPS, { body: configMap('b') });
  const watch = await lines(`${CONFIG_MAPS}?watch=true`, 'application/json;as=Table;v=v1;g=meta.k8s.io');
  const [first, second] = [(await watch.next()).value as Body, (await watch.next()).value as Body];
  assert.deepEqual(
    (first['object']?.['columnDefinitions'] as unknown as { name: string }[]).map((c) => c.name),
    ['Name', 'Data', 'Age'],
  );
  assert.deepEqual(
    [first['object']?.['rows']?.[0]?.['cells']?.[0], first['object']?.['rows']?.[0]?.['cells']?.[1]],
    ['a', 1],
  );
  assert.equal(second['object']?.['columnDefinitions'], null);
});

test('watch: an informer of client-node sees what is there and what changes', async (t) => {
  const { call, server } = await serve(t);
  await call('POST', CONFIG_MAPS, { body: configMap('before') });
  const config = new KubeConfig();
  config.loadFromString(server.kubeconfig());
  const api: CoreV1Api = config.makeApiClient(Core);
  const informer = makeInformer<V1ConfigMap>(config, CONFIG_MAPS, () =>
    api.listNamespacedConfigMap({ namespace: 'default' }),
  );
  t.after(() => informer.stop());
  const heard: string[] = [];
  const settled = new Promise<void>((resolve) => informer.on('delete', () => resolve()));
  informer.on('add', (o) => void heard.push(`add ${o.metadata?.name}`));
  informer.on('update', (o) => void heard.push(`update ${o.metadata?.name}`));
  await informer.start();
  await api.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'after' } } });
  await call('PATCH', `${CONFIG_MAPS}/before`, { body: { data: { a: '1' } }, type: 'application/merge-patch+json' });
  await api.deleteNamespacedConfigMap({ namespace: 'default', name: 'after' });
  await settled;
  assert.deepEqual(heard, ['add before', 'add after', 'update before']);
});

test('watch: custom objects are seen in the version that was asked for', async (t) => {
  const { call, lines } = await serve(t);
  const spec = { type: 'object', properties: { size: { type: 'integer' } } };
  const base = gadgetCrd(spec).spec.versions[0];
  const versions = [base, { ...base, name: 'v2', storage: false }];
  await call('POST', CRDS, { body: gadgetCrd(spec, {}, { versions }) });
  await call('POST', GADGETS, { body: gadget('a', { size: 1 }) });
  const watch = await lines(`${GADGETS.replace('/v1/', '/v2/')}?watch=true`);
  const { value } = (await watch.next()) as { value: { object: { apiVersion: string } } };
  assert.equal(value.object.apiVersion, 'test.weft.dev/v2');
});

test('watch: a stopping server ends it', async (t) => {
  const { createApiServer } = await import('../../../src/local/api/server.ts');
  const { serverCertificate } = await import('../../../src/identity/server-certificate.ts');
  const { systemClock } = await import('../../../src/base/clock.ts');
  const { get } = await import('node:https');
  const tls = serverCertificate({ clock: systemClock, hosts: ['127.0.0.1'] });
  const server = await createApiServer({ tls });
  const { url } = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const running = server.run(stop.signal);
  const headers = { authorization: `Bearer ${server.adminToken}` };
  const request = get(new URL(`${CONFIG_MAPS}?watch=true`, url), { ca: tls.ca, headers, agent: false });
  t.after(() => request.destroy());
  request.on('error', () => undefined);
  await once(request, 'response');
  const closed = once(request, 'close');
  stop.abort();
  await running;
  await closed;
});
