import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { createAuthority } from '../../src/identity/authority.ts';
import { ConfigFileError, parseConfigFile } from '../../src/proxy/config-file.ts';

const docs = readFileSync(join(import.meta.dirname, '../../docs/proxy-config.md'), 'utf8');
const [a = '', b = ''] = [...docs.matchAll(/```json\n([\s\S]*?)```/g)].map((match) => match[1]!);

function certificates(): (path: string) => string {
  const authority = createAuthority({ clock: systemClock, trustDomain: 'bench.local' });
  const files = new Map([['ca.pem', authority.trustBundle.current()!.join('')]]);
  for (const side of ['a', 'b']) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const identity = `spiffe://bench.local/ns/bench/sa/${side}`;
    const signed = authority.sign({
      identity,
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    });
    files.set(`${side}.pem`, signed.certificateChain);
    files.set(`${side}.key`, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  }
  return (path) => {
    const text = files.get(path);
    if (text === undefined) throw new Error('ENOENT');
    return text;
  };
}

function problems(change: (file: Record<string, unknown>) => void, files = certificates()): readonly string[] {
  const file = JSON.parse(b) as Record<string, unknown>;
  change(file);
  try {
    parseConfigFile('b.json', JSON.stringify(file), files);
  } catch (error) {
    assert.ok(error instanceof ConfigFileError);
    return error.problems;
  }
  return [];
}

test('config file: the pair of the documentation is valid', () => {
  const files = certificates();
  const near = parseConfigFile('a.json', a, files);
  assert.deepEqual(near.listeners, { forward: [{ address: '127.0.0.1', port: 9501, destination: 'app:80' }] });
  assert.equal(near.tunnelPort, 9508);
  assert.equal(near.metrics, true);
  assert.equal(near.credentials?.identity, 'spiffe://bench.local/ns/bench/sa/a');
  assert.deepEqual([...near.config.keys()], ['service/bench/app', 'endpoints/bench/app/80']);
  const far = parseConfigFile('b.json', b, files);
  assert.deepEqual(far.listeners, { tunnel: { address: '127.0.0.1', port: 9508 } });
  assert.equal(far.config.get('inbound')?.type, 'inbound');
});

test('config file: everything that is wrong is reported at once, with its place', () => {
  const found = problems((file) => {
    file.listeners = { tunnel: '127.0.0.1', tunel: ':1', inbound: ':70000' };
    file.tunnelPort = 0;
    file.appAddress = 'localhost';
    file.forbidden = ['10.0.0.0/33'];
    file.metrics = 'off';
    (file.resources as object[]).push({ type: 'inbund' }, { type: 'endpoints', key: 'endpoints/x', endpoints: {} });
  });
  assert.deepEqual(
    found.map((problem) => problem.split(' ')[0]),
    [
      'listeners.tunel',
      'listeners.inbound',
      'listeners.tunnel',
      'appAddress',
      'tunnelPort',
      'forbidden[0]',
      'metrics',
      'resources[1].type',
      'resources[2].key',
      'resources[2].endpoints',
    ],
  );
});

test('config file: what only shows in context is reported as well', () => {
  const found = problems((file) => {
    const [inbound] = file.resources as { rules: { http: { pathRegex: string }[] }[] }[];
    inbound!.rules[0]!.http[0]!.pathRegex = '(';
    const backend = { namespace: 'x', service: 'y', port: 1, weight: 1, endpoints: 'endpoints/x/y/1' };
    const routes = [{ name: 'r', tcp: true, policies: [], backends: [backend] }];
    const ports = [{ number: 1, protocol: 'detect', routes }];
    const service = {
      type: 'service',
      key: 'service/x/y',
      namespace: 'x',
      name: 'y',
      addresses: [],
      hostnames: [],
      ports,
    };
    (file.resources as object[]).push(service, service);
  });
  assert.equal(found.length, 4, found.join('\n'));
  assert.match(found[0]!, /resources\[2\]\.key: service\/x\/y occurs twice/);
  assert.match(found[1]!, /resources\[0\]\.rules/);
  assert.match(found[2]!, /ports\[0\]\.routes\[0\]\.backends\[0\]\.endpoints: there is no resource endpoints\/x\/y\/1/);
});

test('config file: certificates that are missing, or do not fit their key, are named', () => {
  const missing = problems((file) => (file.certificate = { chain: 'b.pem', key: 'gone.key', trust: ['gone.pem'] }));
  assert.equal(missing.length, 2);
  assert.match(missing[0]!, /certificate\.key: cannot read gone\.key/);
  const swapped = problems((file) => (file.certificate = { chain: 'b.pem', key: 'a.key', trust: ['ca.pem'] }));
  assert.match(swapped.join(), /certificate: .*key values mismatch/i);
});

test('config file: text that is no JSON is refused with the place', () => {
  assert.throws(
    () => parseConfigFile('x.json', '{ "listeners": ', certificates()),
    /x\.json: 1 problem\n {2}is no JSON/,
  );
});
