import assert from 'node:assert/strict';
import type { createPublicKey } from 'node:crypto';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createServer, connect } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { FakeClock, systemClock } from '../../src/base/clock.ts';
import { createAuthority, type AuthorityState } from '../../src/identity/authority.ts';
import { buildCertificate, buildSigningRequest } from '../../src/identity/certificate.ts';
import { BadPublicKey, readPublicKey } from '../../src/identity/public-key.ts';
import { splitPem } from '../../src/identity/pem.ts';
import { createRoot, readRoot } from '../../src/identity/root.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import { trustBundle, verifyPeer } from '../../src/mesh/verify-peer.ts';

const HOUR = 3600_000;
const DAY = 24 * HOUR;
const ID = 'spiffe://cluster.local/ns/shop/sa/web';
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const publicKey = keys.publicKey.export({ format: 'pem', type: 'spki' }) as string;

function setup(options: Partial<Parameters<typeof createAuthority>[0]> = {}) {
  const clock = new FakeClock();
  return { clock, authority: createAuthority({ clock, trustDomain: 'cluster.local', ...options }) };
}

test('authority: a leaf has one URI name, the key of the request, and 24 hours', () => {
  const { clock, authority } = setup();
  const signed = authority.sign({ identity: ID, publicKey });
  const certificate = new X509Certificate(signed.certificateChain);
  assert.equal(certificate.subjectAltName, `URI:${ID}`);
  assert.ok(certificate.publicKey.equals(keys.publicKey));
  assert.equal(certificate.validToDate.getTime() - certificate.validFromDate.getTime(), DAY);
  const verdict = verifyPeer([certificate], trustBundle('cluster.local', signed.trustBundle), clock.now());
  assert.deepEqual(verdict, { ok: true, identity: ID, pod: undefined, notAfter: signed.notAfter });
});

test('authority: a leaf names the pod that it was issued to, beside one URI name', () => {
  const { clock, authority } = setup();
  const pod = '3f0e9a52-8d0c-4a53-9a1c-0f6d2a4c1b7e';
  const signed = authority.sign({ identity: ID, pod, publicKey });
  const certificate = new X509Certificate(signed.certificateChain);
  assert.equal(certificate.subjectAltName, `URI:${ID}`);
  assert.match(certificate.subject, new RegExp(`^O=weft\nCN=web\nUID=${pod}$`));
  const verdict = verifyPeer([certificate], trustBundle('cluster.local', signed.trustBundle), clock.now());
  assert.deepEqual(verdict, { ok: true, identity: ID, pod, notAfter: signed.notAfter });
  for (const impossible of ['', 'a b', 'a,UID=b', 'x'.repeat(65)]) {
    assert.throws(() => authority.sign({ identity: ID, pod: impossible, publicKey }), /is no UID of a pod/);
  }
});

test('authority: serial numbers are positive, of 16 bytes and never the same', () => {
  const { authority } = setup();
  const serials = Array.from({ length: 20 }, () => authority.sign({ identity: ID, publicKey }).serial);
  assert.equal(new Set(serials).size, 20);
  for (const serial of serials) assert.match(serial, /^[4-7][0-9A-F]{31}$/);
});

test('authority: a leaf never outlives its issuer', async () => {
  const { clock, authority } = setup({ rootLifetimeMs: 30 * HOUR });
  await clock.advance(20 * HOUR);
  const signed = authority.sign({ identity: ID, publicKey });
  assert.equal(signed.notAfter, new X509Certificate(signed.trustBundle[0]!).validToDate.getTime());
  await clock.advance(11 * HOUR);
  assert.throws(() => authority.sign({ identity: ID, publicKey }), /root of cluster.local has expired/);
});

test('authority: identities outside the trust domain or of another form are not signed', () => {
  const { authority } = setup();
  for (const identity of ['spiffe://other/ns/a/sa/b', 'spiffe://cluster.local/admin', `${ID}?x`, '']) {
    assert.throws(() => authority.sign({ identity, publicKey }), /no workload identity/);
  }
});

test('authority: a signing request decides about the key and about nothing else', () => {
  const { authority } = setup();
  const request = buildSigningRequest(keys);
  const certificate = new X509Certificate(authority.sign({ identity: ID, publicKey: request }).certificateChain);
  assert.ok(certificate.publicKey.equals(keys.publicKey));
  // Subject, names and CA:TRUE asked for by OpenSSL's command line: see the fixture's comment.
  const greedy = new X509Certificate(authority.sign({ identity: ID, publicKey: GREEDY_REQUEST }).certificateChain);
  assert.equal(greedy.subject, 'O=weft\nCN=web');
  assert.equal(greedy.subjectAltName, `URI:${ID}`);
  assert.equal(greedy.ca, false);
});

test('readPublicKey: weak keys, foreign signatures and rubbish are refused with a reason', () => {
  const pem = (key: ReturnType<typeof createPublicKey>) => key.export({ format: 'pem', type: 'spki' }) as string;
  const rsa = (bits: number) => pem(generateKeyPairSync('rsa', { modulusLength: bits }).publicKey);
  assert.equal(readPublicKey(rsa(2048)).asymmetricKeyType, 'rsa');
  const refused = [
    rsa(1024),
    pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
    pem(generateKeyPairSync('ed25519').publicKey),
  ];
  for (const key of refused) assert.throws(() => readPublicKey(key), /the key is not accepted: use ECDSA P-256/);
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const stolen = buildSigningRequest({ publicKey: keys.publicKey, privateKey: other.privateKey });
  assert.throws(() => readPublicKey(stolen), /not signed by the key that it presents/);
  for (const text of [
    '',
    'hello',
    publicKey.replace(/M/g, '!'),
    '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
  ]) {
    assert.throws(() => readPublicKey(text), BadPublicKey);
  }
  assert.throws(() => readPublicKey(keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string), BadPublicKey);
  assert.throws(() => readPublicKey('x'.repeat(20_000)), /larger than/);
});

test('authority: rotation passes its stages only after a leaf lifetime each, and both roots are trusted meanwhile', async () => {
  const saved: AuthorityState['stage'][] = [];
  const { clock, authority } = setup({ save: async (s) => void saved.push(s.stage) });
  const stage = () => authority.state.current()!.stage;
  const roots = () => authority.trustBundle.current()!.length;
  const [old] = authority.trustBundle.current()!;
  await authority.rotate();
  await assert.rejects(authority.rotate(), /under way already \(distributing\)/);
  assert.deepEqual([stage(), roots()], ['distributing', 2]);
  await clock.advance(DAY);
  await authority.tend();
  assert.equal(stage(), 'distributing');
  await clock.advance(2 * 60_000);
  await authority.tend();
  assert.deepEqual([stage(), roots()], ['switched', 2]);
  assert.ok(authority.trustBundle.current()!.includes(old!));
  await clock.advance(DAY + 2 * 60_000);
  await authority.tend();
  assert.deepEqual([stage(), roots()], ['steady', 1]);
  assert.notEqual(authority.trustBundle.current()![0], old);
  assert.deepEqual(saved, ['distributing', 'switched', 'steady']);
});

test('authority: a state that cannot be saved does not take effect', async () => {
  const { authority } = setup({ save: () => Promise.reject(new Error('disk full')) });
  await assert.rejects(authority.rotate(), /disk full/);
  assert.equal(authority.state.current()!.stage, 'steady');
  assert.equal(authority.trustBundle.current()!.length, 1);
});

test('authority: its own root is replaced in time, a supplied one is not', async () => {
  const own = setup({ rootLifetimeMs: 30 * DAY });
  await own.clock.advance(19 * DAY);
  await own.authority.tend();
  assert.equal(own.authority.state.current()!.stage, 'steady');
  await own.clock.advance(2 * DAY);
  await own.authority.tend();
  assert.equal(own.authority.state.current()!.stage, 'distributing');

  const clock = new FakeClock();
  const root = createRoot('cluster.local', clock.now(), 30 * DAY);
  const supplied = setup({ root: { certificate: root.certificate, privateKey: root.privateKey } });
  await supplied.clock.advance(25 * DAY);
  await supplied.authority.tend();
  assert.equal(supplied.authority.state.current()!.stage, 'steady');
});

test('authority: another replica adopts the state and signs with the same root', () => {
  const first = setup();
  const second = setup();
  second.authority.adopt(first.authority.state.current()!);
  const signed = second.authority.sign({ identity: ID, publicKey });
  assert.deepEqual(signed.trustBundle, first.authority.trustBundle.current());
});

test('readRoot: an intermediate signs, its root is trusted, and the chain goes along with each leaf', () => {
  const now = new FakeClock().now();
  const ca = (
    pathLength: number | undefined,
    issuer?: { certificate: X509Certificate; privateKey: typeof keys.privateKey },
  ) => {
    const own = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const fields = {
      commonName: `ca ${pathLength}`,
      publicKey: own.publicKey,
      notBefore: now - HOUR,
      notAfter: now + DAY,
    };
    const signer = issuer ?? { certificate: undefined, privateKey: own.privateKey };
    const pem = buildCertificate({ ...fields, ca: { pathLength } }, signer);
    return { pem, certificate: new X509Certificate(pem), privateKey: own.privateKey };
  };
  const top = ca(undefined);
  const middle = ca(0, top);
  const privateKey = middle.privateKey.export({ format: 'pem', type: 'pkcs1' }) as string;
  const { authority, clock } = setup({ root: { certificate: middle.pem, privateKey, trust: top.pem } });
  const signed = authority.sign({ identity: ID, publicKey });
  const chain = splitPem(signed.certificateChain).map((pem) => new X509Certificate(pem));
  assert.equal(chain.length, 2);
  assert.equal(verifyPeer(chain, trustBundle('cluster.local', signed.trustBundle), clock.now()).ok, true);

  const otherKey = top.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  assert.throws(
    () => readRoot({ certificate: middle.pem, privateKey, trust: '' }, now),
    /put its self-signed root into ca.crt/,
  );
  assert.throws(
    () => readRoot({ certificate: middle.pem, privateKey: otherKey, trust: top.pem }, now),
    /tls.key is not the key/,
  );
  assert.throws(
    () => readRoot({ certificate: middle.pem, privateKey, trust: ca(undefined).pem }, now),
    /is not signed by/,
  );
  assert.throws(() => readRoot({ certificate: '', privateKey }, now), /holds no PEM certificate/);
  assert.throws(
    () => readRoot({ certificate: middle.pem, privateKey, trust: top.pem }, now + 2 * DAY),
    /expired at .*renew it/,
  );
  const leaf = authority.sign({ identity: ID, publicKey }).certificateChain;
  const leafKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  assert.throws(
    () => readRoot({ certificate: leaf, privateKey: leafKey, trust: top.pem }, now),
    /is no CA certificate/,
  );
});

test('serverCertificate: an ordinary TLS client accepts it for each of its hosts and for no other', async () => {
  const { ca, certificate, privateKey } = serverCertificate({
    clock: systemClock,
    hosts: ['127.0.0.1', 'localhost', '::1'],
  });
  const server = createServer({ cert: certificate, key: privateKey }, (socket) =>
    socket.end().on('error', () => undefined),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dial = async (servername: string) => {
    const socket = connect({ port, host: '127.0.0.1', ca, ...(servername === '' ? {} : { servername }) });
    try {
      await once(socket, 'secureConnect');
      return 'accepted';
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    } finally {
      socket.destroy();
    }
  };
  assert.equal(await dial(''), 'accepted');
  assert.equal(await dial('localhost'), 'accepted');
  assert.equal(await dial('example.org'), 'ERR_TLS_CERT_ALTNAME_INVALID');
  server.close();
});

// openssl req -new with subject CN=admin, subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/admin,DNS:evil
// and basicConstraints=critical,CA:TRUE
const GREEDY_REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIIBLzCB1QIBADAQMQ4wDAYDVQQDDAVhZG1pbjBZMBMGByqGSM49AgEGCCqGSM49
AwEHA0IABNQcAdqdjDmUYiNALRbQ4CYnad3Z5iUC/5m1Qy4YL9WvsCUTAxCo2Kmg
XxXAKTe78u4V9jgxD7pf744zIOwKWWigYzBhBgkqhkiG9w0BCQ4xVDBSMD8GA1Ud
EQQ4MDaGLnNwaWZmZTovL2NsdXN0ZXIubG9jYWwvbnMva3ViZS1zeXN0ZW0vc2Ev
YWRtaW6CBGV2aWwwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA
wVdRKIMN3lSqSbGmFEVA0Gg21tFUZZJxoVYT/MNqzfoCIQC8DhQc6Z5p45H372/0
y+iEI/wcfMHy0C8MWc5RAubhxA==
-----END CERTIFICATE REQUEST-----
`;
