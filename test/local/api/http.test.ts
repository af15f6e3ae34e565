import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONFIG_MAPS, configMap, serve } from './serve.ts';

test('api server: requests without or with a wrong token are refused 401, health is open', async (t) => {
  const { call } = await serve(t);
  assert.equal((await call('GET', '/api/v1/pods', { token: '' })).code, 401);
  const wrong = await call('GET', '/api/v1/pods', { token: 'nonsense' });
  assert.equal(wrong.code, 401);
  assert.equal(String(wrong.body['reason']), 'Unauthorized');
  assert.equal((await call('GET', '/readyz', { token: '' })).text, 'ok');
});

test('api server: answers have the codes and reasons of Kubernetes', async (t) => {
  const { call } = await serve(t);
  await call('POST', CONFIG_MAPS, { body: configMap('a') });
  const cases: [string, string, object, number, string][] = [
    ['GET', `${CONFIG_MAPS}/none`, {}, 404, 'NotFound'],
    ['GET', '/api/v1/nonsense', {}, 404, 'NotFound'],
    ['GET', '/nonsense', {}, 404, 'NotFound'],
    ['POST', `${CONFIG_MAPS}/a`, { body: configMap('a') }, 405, 'MethodNotAllowed'],
    ['POST', CONFIG_MAPS, { body: configMap('a') }, 409, 'AlreadyExists'],
    ['POST', CONFIG_MAPS, { body: '{"apiVersion":' }, 400, 'BadRequest'],
    ['POST', CONFIG_MAPS, { body: '[]' }, 400, 'BadRequest'],
    ['POST', CONFIG_MAPS, { body: { ...configMap('b'), kind: 'Secret' } }, 400, 'BadRequest'],
    ['POST', CONFIG_MAPS, { body: { ...configMap('b'), data: { a: 1 } } }, 400, 'BadRequest'],
    [
      'POST',
      CONFIG_MAPS,
      { body: { ...configMap('b'), metadata: { name: 'b', namespace: 'other' } } },
      400,
      'BadRequest',
    ],
    ['POST', CONFIG_MAPS, { body: configMap('Bad_Name') }, 422, 'Invalid'],
    ['POST', CONFIG_MAPS.replace('default', 'nowhere'), { body: configMap('b') }, 404, 'NotFound'],
    ['POST', CONFIG_MAPS, { body: 'x', type: 'application/cbor' }, 415, 'UnsupportedMediaType'],
    ['PATCH', `${CONFIG_MAPS}/a`, { body: {}, type: 'application/json' }, 415, 'UnsupportedMediaType'],
    ['POST', CONFIG_MAPS, { body: configMap('big', { a: 'x'.repeat(3_200_000) }) }, 413, 'RequestEntityTooLarge'],
    ['GET', `${CONFIG_MAPS}?resourceVersion=x`, {}, 400, 'BadRequest'],
    ['GET', `${CONFIG_MAPS}?continue=x`, {}, 400, 'BadRequest'],
    ['GET', `${CONFIG_MAPS}?continue=${'x'.repeat(24)}`, {}, 410, 'Expired'],
    ['GET', `${CONFIG_MAPS}?resourceVersionMatch=Exact`, {}, 422, 'Invalid'],
    ['GET', `${CONFIG_MAPS}?resourceVersion=1&resourceVersionMatch=Odd`, {}, 422, 'Invalid'],
    ['POST', `${CONFIG_MAPS}?dryRun=Some`, { body: configMap('b') }, 422, 'Invalid'],
    ['POST', `${CONFIG_MAPS}?fieldValidation=Odd`, { body: configMap('b') }, 422, 'Invalid'],
    ['GET', CONFIG_MAPS, { accept: 'application/vnd.kubernetes.protobuf' }, 406, 'NotAcceptable'],
    ['DELETE', `${CONFIG_MAPS}/a`, { body: { preconditions: { uid: 'other' } } }, 409, 'Conflict'],
    ['DELETE', '/api/v1/namespaces/kube-system', {}, 403, 'Forbidden'],
  ];
  for (const [method, path, options, code, reason] of cases) {
    const answer = await call(method, path, options);
    assert.deepEqual([answer.code, String(answer.body['reason'])], [code, reason], `${method} ${path}: ${answer.text}`);
    assert.equal(String(answer.body['kind']), 'Status');
  }
});

test('api server: an update with an old resourceVersion is a conflict; a dry run changes nothing', async (t) => {
  const { call } = await serve(t);
  const made = (await call('POST', CONFIG_MAPS, { body: configMap('a', { x: '1' }) })).body;
  const changed = { ...made, data: { x: '2' } };
  assert.equal((await call('PUT', `${CONFIG_MAPS}/a?dryRun=All`, { body: changed })).code, 200);
  assert.equal((await call('POST', `${CONFIG_MAPS}?dryRun=All`, { body: configMap('b') })).code, 201);
  assert.equal((await call('GET', `${CONFIG_MAPS}/b`)).code, 404);
  assert.equal(String((await call('GET', `${CONFIG_MAPS}/a`)).body['data']?.['x']), '1');
  assert.equal((await call('PUT', `${CONFIG_MAPS}/a`, { body: changed })).code, 200);
  assert.equal((await call('PUT', `${CONFIG_MAPS}/a`, { body: changed })).code, 409);
});

test('api server: pages of a list show one moment, whatever is written between them', async (t) => {
  const { call } = await serve(t);
  for (const name of ['a', 'b', 'c', 'd', 'e']) await call('POST', CONFIG_MAPS, { body: configMap(name) });
  const first = (await call('GET', `${CONFIG_MAPS}?limit=2`)).body;
  assert.equal(Number(first['metadata']?.['remainingItemCount']), 3);
  await call('DELETE', `${CONFIG_MAPS}/c`);
  await call('POST', CONFIG_MAPS, { body: configMap('bb') });
  const token = String(first['metadata']?.['continue']);
  const second = (await call('GET', `${CONFIG_MAPS}?limit=10&continue=${token}`)).body;
  const names = [first, second].flatMap((page) =>
    (page['items'] as unknown as { metadata: { name: string } }[]).map((o) => o.metadata.name),
  );
  assert.deepEqual(names, ['a', 'b', 'c', 'd', 'e']);
  assert.equal((await call('GET', `${CONFIG_MAPS}?limit=10&continue=${'x'.repeat(24)}`)).code, 410);
});

test('api server: many writers of one counter lose no increment', async (t) => {
  const { call } = await serve(t);
  await call('POST', CONFIG_MAPS, { body: configMap('n', { count: '0' }) });
  const increment = async (): Promise<void> => {
    for (;;) {
      const { body } = await call('GET', `${CONFIG_MAPS}/n`);
      const count = Number(body['data']?.['count']) + 1;
      const { code } = await call('PUT', `${CONFIG_MAPS}/n`, { body: { ...body, data: { count: String(count) } } });
      if (code === 200) return;
      assert.equal(code, 409);
    }
  };
  for (let round = 0; round < 3; round++) await Promise.all(Array.from({ length: 5 }, increment));
  assert.equal(String((await call('GET', `${CONFIG_MAPS}/n`)).body['data']?.['count']), '15');
});

test('api server: while one write waits for admission, another is not lost', async (t) => {
  let waiting: (() => void)[] = [];
  const slow = {
    name: 'slow',
    mutate: ({ operation }: { operation: string }) =>
      operation === 'UPDATE' ? new Promise<undefined>((resolve) => waiting.push(() => resolve(undefined))) : undefined,
  };
  const { call } = await serve(t, { admission: [slow] });
  await call('POST', CONFIG_MAPS, { body: configMap('a', {}) });
  const patch = (key: string) =>
    call('PATCH', `${CONFIG_MAPS}/a`, { body: { data: { [key]: '1' } }, type: 'application/merge-patch+json' });
  const both = Promise.all([patch('x'), patch('y')]);
  const timer = setInterval(() => {
    if (waiting.length < 1) return;
    const [all] = [waiting];
    waiting = [];
    for (const go of all) go();
  }, 50);
  t.after(() => clearInterval(timer));
  await both;
  assert.deepEqual((await call('GET', `${CONFIG_MAPS}/a`)).body['data'], { x: '1', y: '1' });
});

test('api server: services made at once get addresses of their own, and keep them', async (t) => {
  const { call } = await serve(t, { serviceCidr: '10.55.0.0/24' });
  const path = '/api/v1/namespaces/default/services';
  const service = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [{ port: 80 }] },
  });
  const made = await Promise.all(Array.from({ length: 20 }, (_, i) => call('POST', path, { body: service(`s${i}`) })));
  const addresses = made.map(({ body }) => String(body['spec']?.['clusterIP']));
  assert.equal(new Set(addresses).size, 20);
  assert.ok(addresses.every((a) => a.startsWith('10.55.0.')));
  const moved = await call('PATCH', `${path}/s0`, {
    body: { spec: { clusterIP: '10.55.0.99' } },
    type: 'application/merge-patch+json',
  });
  assert.equal(moved.code, 422);
  const taken = await call('POST', path, {
    body: { ...service('again'), spec: { clusterIP: addresses[0], ports: [{ port: 80 }] } },
  });
  assert.match(taken.text, /provided IP is already allocated/);
  const foreign = await call('POST', path, {
    body: { ...service('again'), spec: { clusterIP: '10.56.0.1', ports: [{ port: 80 }] } },
  });
  assert.match(foreign.text, /not in the valid range/);
});

test('api server: with a data folder, objects, token and signing key outlive a restart', async (t) => {
  const { mkdtemp, rm } = await import('node:fs/promises');
  const dataDir = await mkdtemp('/tmp/weft-api-');
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  let before = '';
  let revision = 0;
  await t.test('first life', async (t1) => {
    const { call, server } = await serve(t1, { dataDir });
    before = server.adminToken;
    const { body } = await call('POST', CONFIG_MAPS, { body: configMap('kept', { a: '1' }) });
    revision = Number(body['metadata']?.['resourceVersion']);
  });
  await t.test('second life', async (t2) => {
    const { call, server, lines } = await serve(t2, { dataDir });
    assert.equal(server.adminToken, before);
    const { body } = await call('GET', `${CONFIG_MAPS}/kept`);
    assert.equal(String(body['data']?.['a']), '1');
    assert.equal(Number(body['metadata']?.['resourceVersion']), revision);
    const watch = await lines(`${CONFIG_MAPS}?watch=true&resourceVersion=1`);
    const { value } = await watch.next();
    assert.equal(
      Number((value as { object: { code: number } }).object.code),
      410,
      'a watch from before the restart has to list again',
    );
    await assert.rejects(serve(t2, { dataDir }), /is in use by process/, 'two servers on one folder');
  });
});
