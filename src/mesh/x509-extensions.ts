import type { X509Certificate } from 'node:crypto';
import { DER, derChildren, derOid, readDer, type DerNode } from './der.ts';

/** What RFC 5280 and the SPIFFE X509-SVID rules need to know and node's X509Certificate does not say. */
export interface CertificateFacts {
  readonly version: number;
  readonly signatureAlgorithm: string;
  readonly uris: readonly string[];
  /** The subject's attribute UID (RFC 4519 2.39), if it is there exactly once: in our leaves the UID of the pod. */
  readonly subjectUid: string | undefined;
  readonly ca: boolean;
  /** Intermediates allowed below; undefined = no limit. */
  readonly pathLength: number | undefined;
  /** Bits of keyUsage (RFC 5280 4.2.1.3); undefined when the extension is absent. */
  readonly usage: KeyUsage | undefined;
  /** Purposes of extendedKeyUsage as OIDs; undefined when absent. */
  readonly purposes: readonly string[] | undefined;
  /** OIDs of critical extensions that nobody here understands, and of name constraints, which are not evaluated. */
  readonly notUnderstood: readonly string[];
}

interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly certSign: boolean;
  readonly crlSign: boolean;
}

const USER_ID = '0.9.2342.19200300.100.1.1';
const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const SUBJECT_ALT_NAME = '2.5.29.17';
const NAME_CONSTRAINTS = '2.5.29.30';
const SUBJECT_KEY_ID = '2.5.29.14';
const AUTHORITY_KEY_ID = '2.5.29.35';
const UNDERSTOOD: ReadonlySet<string> = new Set([
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  EXTENDED_KEY_USAGE,
  SUBJECT_ALT_NAME,
  SUBJECT_KEY_ID,
  AUTHORITY_KEY_ID,
]);

/**
 * Reads a certificate's extensions and signature algorithm.
 * @throws Error when it is not strict DER, an extension occurs twice, or the two signature algorithms differ
 */
export function certificateFacts(certificate: Pick<X509Certificate, 'raw'>): CertificateFacts {
  const [tbs, algorithm] = derChildren(sequence(readDer(certificate.raw)));
  const fields = derChildren(sequence(tbs));
  const hasVersion = fields[0]?.tag === 0xa0;
  const inner = fields[hasVersion ? 2 : 1];
  if (algorithm === undefined || inner === undefined) throw new Error('certificate: fields are missing');
  if (!algorithm.whole.equals(inner.whole)) throw new Error('certificate: the two signature algorithms differ');
  const extensions = readExtensions(fields.find((f) => f.tag === 0xa3));
  const get = (oid: string) => extensions.get(oid)?.value;
  const notUnderstood = [...extensions]
    .filter(([oid, { critical }]) => oid === NAME_CONSTRAINTS || (critical && !UNDERSTOOD.has(oid)))
    .map(([oid]) => oid);
  return {
    version: hasVersion ? integer(derChildren(fields[0]!)[0]) + 1 : 1,
    signatureAlgorithm: derOid(first(algorithm)),
    uris: uriNames(get(SUBJECT_ALT_NAME)),
    subjectUid: subjectUid(fields[hasVersion ? 5 : 4]),
    ...basicConstraints(get(BASIC_CONSTRAINTS)),
    usage: keyUsage(get(KEY_USAGE)),
    purposes: get(EXTENDED_KEY_USAGE) && derChildren(sequence(get(EXTENDED_KEY_USAGE))).map(derOid),
    notUnderstood,
  };
}

function readExtensions(field: DerNode | undefined): Map<string, { critical: boolean; value: DerNode }> {
  const extensions = new Map<string, { critical: boolean; value: DerNode }>();
  if (field === undefined) return extensions;
  for (const extension of derChildren(sequence(derChildren(field)[0]))) {
    const parts = derChildren(sequence(extension));
    const oid = derOid(first(extension));
    const critical = parts[1]?.tag === DER.boolean && parts[1].content[0] !== 0;
    const octets = parts.at(-1);
    if (octets?.tag !== DER.octetString) throw new Error('certificate: extension without a value');
    if (extensions.has(oid)) throw new Error(`certificate: extension ${oid} occurs twice`);
    extensions.set(oid, { critical, value: readDer(octets.content) });
  }
  return extensions;
}

function basicConstraints(value: DerNode | undefined): Pick<CertificateFacts, 'ca' | 'pathLength'> {
  if (value === undefined) return { ca: false, pathLength: undefined };
  const parts = derChildren(sequence(value));
  const ca = parts[0]?.tag === DER.boolean && parts[0].content[0] !== 0;
  const length = parts.find((p) => p.tag === DER.integer);
  return { ca, pathLength: length === undefined ? undefined : integer(length) };
}

function keyUsage(value: DerNode | undefined): KeyUsage | undefined {
  if (value === undefined) return undefined;
  if (value.tag !== DER.bitString) throw new Error('certificate: keyUsage is no bit string');
  const bits = value.content[1] ?? 0;
  return { digitalSignature: (bits & 0x80) !== 0, certSign: (bits & 0x04) !== 0, crlSign: (bits & 0x02) !== 0 };
}

/** URIs among the alternative names: context tag 6, IA5String. */
function uriNames(value: DerNode | undefined): string[] {
  if (value === undefined) return [];
  const uris = derChildren(sequence(value)).filter((name) => name.tag === 0x86);
  return uris.map((name) => name.content.toString('latin1'));
}

/** Twice is not once: which of the two would count is anybody's guess, so none does. */
function subjectUid(subject: DerNode | undefined): string | undefined {
  const attributes = derChildren(sequence(subject))
    .flatMap(derChildren)
    .map((pair) => derChildren(sequence(pair)));
  const uids = attributes.filter(([type]) => type !== undefined && derOid(type) === USER_ID);
  const text = uids.length === 1 ? uids[0]?.[1]?.content.toString('latin1') : undefined;
  return text !== undefined && /^[A-Za-z0-9-]{1,64}$/.test(text) ? text : undefined;
}

function sequence(node: DerNode | undefined): DerNode {
  if (node?.tag !== DER.sequence) throw new Error('certificate: sequence expected');
  return node;
}

function first(node: DerNode): DerNode {
  const child = derChildren(node)[0];
  if (child === undefined) throw new Error('certificate: empty sequence');
  return child;
}

function integer(node: DerNode | undefined): number {
  if (node?.tag !== DER.integer || node.content.length > 4) throw new Error('certificate: small integer expected');
  return node.content.readIntBE(0, node.content.length);
}
