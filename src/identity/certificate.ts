import type { X509Certificate } from 'node:crypto';
import { createHash, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';

const { asn1 } = forge;
type Node = forge.asn1.Asn1;
const UNIVERSAL = 0x00 as forge.asn1.Class;
const CONTEXT = 0x80 as forge.asn1.Class;

/** What a certificate shall say. Building is node-forge's ASN.1; keys and signatures are node:crypto. */
export interface CertificateFields {
  readonly commonName: string;
  /** Attribute UID of the subject. */
  readonly uid?: string;
  readonly publicKey: KeyObject;
  /** Milliseconds since 1970; certificates count in seconds, rounded down. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** Present for a CA. `pathLength` undefined = no limit. */
  readonly ca?: { readonly pathLength: number | undefined };
  /** Overrides for tests of what must be refused; a certificate of ours never sets them. */
  readonly unusual?: {
    readonly usageBits?: number;
    readonly uids?: readonly string[];
    readonly purposes?: readonly string[];
    readonly extensions?: readonly { readonly oid: string; readonly critical: boolean; readonly der: Buffer }[];
  };
}

export interface Issuer {
  /** Undefined: self-signed. */
  readonly certificate: X509Certificate | undefined;
  readonly privateKey: KeyObject;
}

const EC_SHA256 = '1.2.840.10045.4.3.2';
const RSA_SHA256 = '1.2.840.113549.1.1.11';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const DIGITAL_SIGNATURE = 0x80;
const CERT_AND_CRL_SIGN = 0x06;

/**
 * Builds and signs a certificate (RFC 5280 4.1, version 3).
 * @returns PEM
 */
export function buildCertificate(fields: CertificateFields, issuer: Issuer): string {
  const algorithm = signatureAlgorithm(issuer.privateKey);
  const subject = name(fields.commonName, fields.unusual?.uids ?? (fields.uid === undefined ? [] : [fields.uid]));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x7f) | 0x40; // positive, and always 16 bytes (RFC 5280 4.1.2.2)
  const tbs = sequence([
    explicit(0, primitive(0x02, '\x02')),
    primitive(0x02, serial.toString('latin1')),
    algorithm,
    issuer.certificate === undefined ? subject : subjectOf(issuer.certificate),
    sequence([time(fields.notBefore), time(fields.notAfter)]),
    subject,
    parsed(fields.publicKey.export({ format: 'der', type: 'spki' })),
    explicit(3, sequence(extensions(fields, issuer))),
  ]);
  const signature = sign('sha256', der(tbs), issuer.privateKey);
  return pem('CERTIFICATE', der(sequence([tbs, algorithm, bitString(signature)])));
}

/**
 * A certificate signing request (RFC 2986) that says nothing but which key, signed with it.
 * @returns PEM
 */
export function buildSigningRequest(keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }): string {
  const info = sequence([
    primitive(0x02, '\x00'),
    sequence([]),
    parsed(keys.publicKey.export({ format: 'der', type: 'spki' })),
    asn1.create(CONTEXT, 0 as forge.asn1.Type, true, []),
  ]);
  const signature = sign('sha256', der(info), keys.privateKey);
  const request = sequence([info, signatureAlgorithm(keys.privateKey), bitString(signature)]);
  return pem('CERTIFICATE REQUEST', der(request));
}

/** RFC 5280 4.2.1.2 (1): SHA-1 over the bits of the public key. A name, not a safeguard. */
export function keyIdentifier(key: KeyObject): Buffer {
  const bits = (parsed(key.export({ format: 'der', type: 'spki' })).value as Node[])[1]!;
  const { bitStringContents } = bits as Node & { readonly bitStringContents?: string };
  const content = bitStringContents ?? (bits.value as string);
  return createHash('sha1').update(Buffer.from(content, 'latin1').subarray(1)).digest();
}

function extensions(fields: CertificateFields, issuer: Issuer): Node[] {
  const { ca, unusual } = fields;
  const purposes = unusual?.purposes ?? (ca === undefined ? [SERVER_AUTH, CLIENT_AUTH] : []);
  const issuerKey = issuer.certificate?.publicKey ?? createPublicKey(issuer.privateKey);
  const usage = unusual?.usageBits ?? (ca === undefined ? DIGITAL_SIGNATURE : CERT_AND_CRL_SIGN);
  const names = alternativeNames(fields);
  return [
    extension('2.5.29.19', true, basicConstraints(ca)),
    extension('2.5.29.15', true, keyUsage(usage)),
    ...(purposes.length > 0 ? [extension('2.5.29.37', false, sequence(purposes.map(oid)))] : []),
    extension('2.5.29.14', false, primitive(0x04, keyIdentifier(fields.publicKey).toString('latin1'))),
    extension('2.5.29.35', false, sequence([contextPrimitive(0, keyIdentifier(issuerKey))])),
    ...(names.length > 0 ? [extension('2.5.29.17', false, sequence(names))] : []),
    ...(unusual?.extensions ?? []).map((e) => extension(e.oid, e.critical, parsed(e.der))),
  ];
}

function basicConstraints(ca: CertificateFields['ca']): Node {
  if (ca === undefined) return sequence([]);
  const limit = ca.pathLength === undefined ? [] : [primitive(0x02, String.fromCharCode(ca.pathLength))];
  return sequence([primitive(0x01, '\xff'), ...limit]);
}

/** DER wants the trailing zero bits of a named bit list cut off and counted (X.690 11.2.2). */
function keyUsage(bits: number): Node {
  const unused = bits === 0 ? 0 : 31 - Math.clz32(bits & -bits);
  return primitive(0x03, bits === 0 ? '\0' : String.fromCharCode(unused, bits));
}

function alternativeNames({ uris = [], dnsNames = [], ipAddresses = [] }: CertificateFields): Node[] {
  return [
    ...uris.map((uri) => contextPrimitive(6, Buffer.from(uri, 'latin1'))),
    ...dnsNames.map((dns) => contextPrimitive(2, Buffer.from(dns, 'latin1'))),
    ...ipAddresses.map((ip) => contextPrimitive(7, ipBytes(ip))),
  ];
}

/** @throws Error when the text is no IP address */
function ipBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number));
  if (isIP(address) !== 6) throw new Error(`${JSON.stringify(address)} is no IP address`);
  const host = new URL(`http://[${address}]`).hostname.slice(1, -1); // the URL parser resolves embedded IPv4
  const [head = '', tail] = host.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  return Buffer.from(groups.map((g) => g.padStart(4, '0')).join(''), 'hex');
}

function extension(id: string, critical: boolean, value: Node): Node {
  const flag = critical ? [primitive(0x01, '\xff')] : [];
  return sequence([oid(id), ...flag, primitive(0x04, der(value).toString('latin1'))]);
}

function signatureAlgorithm(key: KeyObject): Node {
  if (key.asymmetricKeyType === 'ec') return sequence([oid(EC_SHA256)]);
  if (key.asymmetricKeyType === 'rsa') return sequence([oid(RSA_SHA256), primitive(0x05, '')]);
  throw new Error(`a CA key of type ${key.asymmetricKeyType} is not supported: use ECDSA P-256 or RSA`);
}

/** `O=weft, CN=..., UID=...`; names are told apart by their common name. */
function name(commonName: string, uids: readonly string[]): Node {
  return sequence([
    attribute('2.5.4.10', 'weft'),
    attribute('2.5.4.3', commonName.slice(0, 64)),
    ...uids.map((uid) => attribute('0.9.2342.19200300.100.1.1', uid)),
  ]);
}

function attribute(type: string, value: string): Node {
  const text = primitive(0x0c, Buffer.from(value, 'utf8').toString('latin1'));
  return asn1.create(UNIVERSAL, 17 as forge.asn1.Type, true, [sequence([oid(type), text])]);
}

/** The issuer's subject as it stands there, byte for byte: a supplied root may encode names in another way. */
function subjectOf(certificate: X509Certificate): Node {
  const tbs = (parsed(certificate.raw).value as Node[])[0]!;
  return (tbs.value as Node[])[5]!;
}

/** RFC 5280 4.1.2.5: two-digit years until 2049. */
function time(ms: number): Node {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return new Date(ms).getUTCFullYear() < 2050 ? primitive(0x17, digits.slice(2)) : primitive(0x18, digits);
}

function sequence(children: Node[]): Node {
  return asn1.create(UNIVERSAL, 16 as forge.asn1.Type, true, children);
}

function explicit(tag: number, child: Node): Node {
  return asn1.create(CONTEXT, tag as forge.asn1.Type, true, [child]);
}

function contextPrimitive(tag: number, content: Buffer): Node {
  return asn1.create(CONTEXT, tag as forge.asn1.Type, false, content.toString('latin1'));
}

function primitive(type: number, content: string): Node {
  return asn1.create(UNIVERSAL, type as forge.asn1.Type, false, content);
}

function oid(id: string): Node {
  return primitive(0x06, asn1.oidToDer(id).getBytes());
}

function bitString(content: Buffer): Node {
  return primitive(0x03, `\0${content.toString('latin1')}`);
}

function der(node: Node): Buffer {
  return Buffer.from(asn1.toDer(node).getBytes(), 'latin1');
}

function parsed(bytes: Buffer): Node {
  return asn1.fromDer(bytes.toString('latin1'));
}

/** RFC 7468. */
function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
