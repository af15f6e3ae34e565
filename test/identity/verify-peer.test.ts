import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { buildCertificate, type CertificateFields, type Issuer } from '../../src/identity/certificate.ts';
import { createRoot } from '../../src/identity/root.ts';
import { verifyPeer, type PeerRefusal, type TrustBundle } from '../../src/mesh/verify-peer.ts';

const NOW = Date.UTC(2026, 4, 1);
const HOUR = 3600_000;
const ID = 'spiffe://cluster.local/ns/shop/sa/web';
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ownRoot = createRoot('cluster.local', NOW, 1000 * HOUR);
const root: Issuer = {
  certificate: new X509Certificate(ownRoot.certificate),
  privateKey: createPrivateKey(ownRoot.privateKey),
};
const bundle: TrustBundle = { trustDomain: 'cluster.local', roots: [root.certificate!] };

/** A good leaf, but for `changes`. */
function leaf(changes: Partial<CertificateFields> = {}, issuer: Issuer = root): X509Certificate {
  const fields: CertificateFields = {
    commonName: 'web',
    publicKey: keys.publicKey,
    notBefore: NOW - HOUR,
    notAfter: NOW + HOUR,
    uris: [ID],
    ...changes,
  };
  return new X509Certificate(buildCertificate(fields, issuer));
}

/** A signing certificate with its key. */
function authority(
  changes: Partial<CertificateFields> = {},
  issuer?: Issuer,
): Issuer & { certificate: X509Certificate } {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const ca = { ca: { pathLength: undefined }, uris: [], publicKey: own.publicKey, commonName: `ca ${Math.random()}` };
  const signer = issuer ?? { certificate: undefined, privateKey: own.privateKey };
  return { certificate: leaf({ ...ca, ...changes }, signer), privateKey: own.privateKey };
}

function refusal(chain: readonly (X509Certificate | Buffer)[], trust = bundle): PeerRefusal | 'accepted' {
  const verdict = verifyPeer(chain, trust, NOW);
  return verdict.ok ? 'accepted' : verdict.reason;
}

function weak(): CertificateFields['publicKey'] {
  return generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
}

const critical = { oid: '1.3.6.1.4.1.99999.1', der: Buffer.from([5, 0]) };
/** permitted subtree: URI host `other.domain` */
const nameConstraints = {
  oid: '2.5.29.30',
  critical: false,
  der: Buffer.from(`3012a0103 00e860c${Buffer.from('other.domain').toString('hex')}`.replaceAll(' ', ''), 'hex'),
};

test('verifyPeer: a clean leaf is its SPIFFE ID, until the first of its chain expires', () => {
  assert.deepEqual(verifyPeer([leaf()], bundle, NOW), { ok: true, identity: ID, pod: undefined, notAfter: NOW + HOUR });
  assert.deepEqual(verifyPeer([leaf().raw, root.certificate!], bundle, NOW), {
    ok: true,
    identity: ID,
    pod: undefined,
    notAfter: NOW + HOUR,
  });
});

test('verifyPeer: the pod is what the leaf names, once and in one form; else the certificate names none', () => {
  const podOf = (own: X509Certificate, trust = bundle) => {
    const verdict = verifyPeer([own], trust, NOW);
    return verdict.ok ? verdict.pod : verdict.reason;
  };
  assert.equal(podOf(leaf({ uid: '3f0e9a52-8d0c' })), '3f0e9a52-8d0c');
  assert.equal(podOf(leaf({ unusual: { uids: ['pod-1', 'pod-2'] } })), undefined);
  assert.equal(podOf(leaf({ unusual: { uids: ['pod-1', 'pod-1'] } })), undefined);
  for (const uid of ['', 'pod 1', 'pod-1,UID=pod-2', 'pöd', 'x'.repeat(65)])
    assert.equal(podOf(leaf({ uid })), undefined);
  assert.equal(podOf(leaf({ commonName: 'UID=pod-1' })), undefined);
  const named = authority({ uid: 'pod-1' });
  const trust = { trustDomain: 'cluster.local', roots: [named.certificate] };
  assert.equal(podOf(leaf({}, named), trust), undefined, 'what an issuer is called is nothing to the leaf');
});

const broken: readonly [rule: string, changes: Partial<CertificateFields>, reason: PeerRefusal][] = [
  ['no URI name', { uris: [], dnsNames: ['web.shop'] }, 'URI_COUNT'],
  ['two URI names', { uris: [ID, `${ID}2`] }, 'URI_COUNT'],
  ['the same URI twice', { uris: [ID, ID] }, 'URI_COUNT'],
  ['another trust domain', { uris: ['spiffe://other.domain/ns/shop/sa/web'] }, 'WRONG_TRUST_DOMAIN'],
  ['a longer trust domain', { uris: ['spiffe://cluster.local.evil/ns/shop/sa/web'] }, 'WRONG_TRUST_DOMAIN'],
  ['another scheme', { uris: ['https://cluster.local/ns/shop/sa/web'] }, 'BAD_SPIFFE_ID'],
  ['an upper-case scheme', { uris: ['SPIFFE://cluster.local/ns/shop/sa/web'] }, 'BAD_SPIFFE_ID'],
  ['an upper-case trust domain', { uris: ['spiffe://Cluster.local/ns/shop/sa/web'] }, 'BAD_SPIFFE_ID'],
  ['no path', { uris: ['spiffe://cluster.local'] }, 'BAD_SPIFFE_ID'],
  ['an empty path', { uris: ['spiffe://cluster.local/'] }, 'BAD_SPIFFE_ID'],
  ['an empty segment', { uris: ['spiffe://cluster.local/ns//sa/web'] }, 'BAD_SPIFFE_ID'],
  ['a trailing slash', { uris: [`${ID}/`] }, 'BAD_SPIFFE_ID'],
  ['dot segments', { uris: ['spiffe://cluster.local/ns/shop/../sa/web'] }, 'BAD_SPIFFE_ID'],
  ['a query', { uris: [`${ID}?a`] }, 'BAD_SPIFFE_ID'],
  ['a fragment', { uris: [`${ID}#a`] }, 'BAD_SPIFFE_ID'],
  ['a port', { uris: ['spiffe://cluster.local:443/ns/shop/sa/web'] }, 'BAD_SPIFFE_ID'],
  ['user info', { uris: ['spiffe://me@cluster.local/ns/shop/sa/web'] }, 'BAD_SPIFFE_ID'],
  ['percent-encoding', { uris: ['spiffe://cluster.local/ns/shop/sa/%77eb'] }, 'BAD_SPIFFE_ID'],
  ['a NUL', { uris: [`${ID}\0.evil`] }, 'BAD_SPIFFE_ID'],
  ['a line feed', { uris: [`${ID}\n`] }, 'BAD_SPIFFE_ID'],
  ['more than 2048 bytes', { uris: [`${ID}/${'a'.repeat(2048)}`] }, 'BAD_SPIFFE_ID'],
  ['being a CA', { ca: { pathLength: undefined }, unusual: { usageBits: 0x80 } }, 'LEAF_IS_CA'],
  ['no digitalSignature', { unusual: { usageBits: 0x20 } }, 'KEY_USAGE'],
  ['keyCertSign', { unusual: { usageBits: 0x84 } }, 'KEY_USAGE'],
  ['cRLSign', { unusual: { usageBits: 0x82 } }, 'KEY_USAGE'],
  ['serverAuth only', { unusual: { purposes: ['1.3.6.1.5.5.7.3.1'] } }, 'EXTENDED_KEY_USAGE'],
  ['clientAuth only', { unusual: { purposes: ['1.3.6.1.5.5.7.3.2'] } }, 'EXTENDED_KEY_USAGE'],
  ['expiry', { notAfter: NOW - 1000 }, 'EXPIRED'],
  ['a start in the future', { notBefore: NOW + 1000 }, 'NOT_YET_VALID'],
  [
    'an unknown critical extension',
    { unusual: { extensions: [{ ...critical, critical: true }] } },
    'CRITICAL_EXTENSION',
  ],
  ['name constraints', { unusual: { extensions: [nameConstraints] } }, 'CRITICAL_EXTENSION'],
  ['a weak key', { publicKey: weak() }, 'WEAK_KEY'],
];
for (const [rule, changes, reason] of broken) {
  test(`verifyPeer: a leaf with ${rule} is refused (${reason})`, () => assert.equal(refusal([leaf(changes)]), reason));
}

test('verifyPeer: harmless variety is accepted', () => {
  const names = { dnsNames: ['web.shop.svc'], ipAddresses: ['10.0.0.1', 'fd00::1'] };
  assert.equal(refusal([leaf(names)]), 'accepted');
  assert.equal(refusal([leaf({ unusual: { purposes: [] } })]), 'accepted');
  assert.equal(refusal([leaf({ unusual: { extensions: [{ ...critical, critical: false }] } })]), 'accepted');
  assert.equal(
    refusal([leaf({ publicKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey })]),
    'accepted',
  );
});

test('verifyPeer: nothing presented, and bytes that are no certificate, are refused', () => {
  assert.equal(refusal([]), 'NO_CERTIFICATE');
  assert.equal(refusal([Buffer.from('no certificate')]), 'MALFORMED');
  const cut = leaf().raw;
  assert.equal(refusal([cut.subarray(0, cut.length - 1)]), 'MALFORMED');
});

test('verifyPeer: an extension that occurs twice is refused', () => {
  const again = { oid: '2.5.29.15', critical: true, der: Buffer.from([3, 2, 7, 0x80]) };
  assert.equal(refusal([leaf({ unusual: { extensions: [again] } })]), 'MALFORMED');
});

test('verifyPeer: only the roots of the bundle are trusted, not a root that the peer brings along', () => {
  const foreign = authority();
  assert.equal(refusal([leaf({}, foreign), foreign.certificate]), 'UNTRUSTED');
  assert.equal(refusal([leaf({}, { certificate: undefined, privateKey: keys.privateKey })]), 'UNTRUSTED');
});

test('verifyPeer: a root of the same name with another key is not the root', () => {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  assert.equal(refusal([leaf({}, { certificate: root.certificate, privateKey: own.privateKey })]), 'UNTRUSTED');
});

test('verifyPeer: either of two roots is accepted during a rotation', () => {
  const next = authority();
  const both: TrustBundle = { ...bundle, roots: [root.certificate!, next.certificate] };
  assert.equal(refusal([leaf()], both), 'accepted');
  assert.equal(refusal([leaf({}, next)], both), 'accepted');
});

test('verifyPeer: an intermediate is followed when it is presented and missed when it is not', () => {
  const top = authority();
  const middle = authority({}, top);
  const trust: TrustBundle = { ...bundle, roots: [top.certificate] };
  assert.equal(refusal([leaf({}, middle), middle.certificate], trust), 'accepted');
  assert.equal(refusal([leaf({}, middle)], trust), 'UNTRUSTED');
});

test('verifyPeer: an intermediate must be a CA that may sign, in time, within every path length', () => {
  const top = authority({ ca: { pathLength: 0 } });
  const trust: TrustBundle = { ...bundle, roots: [top.certificate] };
  const middle = authority({}, top);
  assert.equal(refusal([leaf({}, middle), middle.certificate], trust), 'PATH_LENGTH');

  const wide = authority();
  const wideTrust: TrustBundle = { ...bundle, roots: [wide.certificate] };
  const through = (issuer: ReturnType<typeof authority>) => refusal([leaf({}, issuer), issuer.certificate], wideTrust);
  assert.equal(through(authority({ notAfter: NOW - 1000 }, wide)), 'EXPIRED');
  assert.equal(through(authority({ unusual: { extensions: [nameConstraints] } }, wide)), 'CRITICAL_EXTENSION');
  const leafAsIssuer = { certificate: leaf({}, wide), privateKey: keys.privateKey };
  assert.notEqual(refusal([leaf({}, leafAsIssuer), leafAsIssuer.certificate], wideTrust), 'accepted');
  assert.notEqual(through(authority({ unusual: { usageBits: 0x80 } }, wide)), 'accepted');
});

test('verifyPeer: an expired root ends the trust in everything below it', () => {
  const old = authority({ notAfter: NOW - 1000 });
  assert.equal(refusal([leaf({}, old)], { ...bundle, roots: [old.certificate] }), 'EXPIRED');
});

test('verifyPeer: a chain of more than five is refused unseen', () => {
  assert.equal(refusal(Array<X509Certificate>(6).fill(leaf())), 'CHAIN_TOO_LONG');
});
