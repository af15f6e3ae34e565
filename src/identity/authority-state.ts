import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import type { AuthorityState } from './authority.ts';
import { splitPem } from './pem.ts';
import type { Root } from './root.ts';

/** The text that lies in the Secret. */
export function writeAuthorityState(state: AuthorityState): string {
  return JSON.stringify(state);
}

/**
 * Reads what `writeAuthorityState` wrote, wherever it has been meanwhile.
 * @throws Error that says what is wrong; a root that does not work must stop the controller, not the mesh
 */
export function readAuthorityState(text: string): AuthorityState {
  const state = parse(text);
  const since = state['since'];
  const signing = readRoot(state['signing'], 'signing');
  switch (state['stage']) {
    case 'steady':
      return { stage: 'steady', signing };
    case 'distributing':
      return { stage: 'distributing', signing, next: readRoot(state['next'], 'next'), since: time(since) };
    case 'switched': {
      const previousTrust = certificates(state['previousTrust'], 'previousTrust');
      return { stage: 'switched', signing, previousTrust, since: time(since) };
    }
    default:
      throw new Error(`root state: stage ${JSON.stringify(state['stage'])} is not known`);
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // told below
  }
  throw new Error('root state: no JSON object');
}

function readRoot(value: unknown, field: string): Root {
  const root = (value ?? {}) as Readonly<Record<string, unknown>>;
  const certificate = certificates(root['certificate'], `${field}.certificate`);
  const trust = certificates(root['trust'], `${field}.trust`);
  const { privateKey, origin } = root;
  if (origin !== 'own' && origin !== 'supplied')
    throw new Error(`root state: ${field}.origin is neither own nor supplied`);
  try {
    const key = createPublicKey(createPrivateKey(String(privateKey)));
    if (!key.equals(new X509Certificate(certificate).publicKey))
      throw new Error('it is the key of another certificate');
  } catch (error) {
    throw new Error(`root state: ${field}.privateKey is unusable: ${(error as Error).message}`);
  }
  return { certificate, privateKey: String(privateKey), trust, origin };
}

function certificates(value: unknown, field: string): string {
  const pems = splitPem(String(value));
  if (pems.length === 0) throw new Error(`root state: ${field} holds no PEM certificate`);
  for (const pem of pems) void new X509Certificate(pem);
  return String(value);
}

function time(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error('root state: since is no time');
  return value;
}
