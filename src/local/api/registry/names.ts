import { randomBytes } from 'node:crypto';
import type { ApiObject } from '../../api-client.ts';
import { badRequest, type FieldError, invalid, required, tooLong } from '../errors.ts';
import { isObject } from '../json.ts';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';

/** Says why this is no RFC 1123 subdomain, or undefined. */
export function subdomainProblem(name: string): string | undefined {
  if (name.length > 253) return 'must be no more than 253 bytes';
  if (new RegExp(`^${SUBDOMAIN}$`).test(name)) return undefined;
  return `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
}

/** Says why this is no RFC 1123 label, or undefined. */
export function labelProblem(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 bytes';
  if (new RegExp(`^${LABEL}$`).test(name)) return undefined;
  return `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
}

/** Says why this is no RFC 1035 label (names of Services), or undefined. */
export function dnsLabel1035Problem(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 bytes';
  if (/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)) return undefined;
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

/** Names that may stand in a path, which is all that RBAC kinds ask for. */
export function pathSegmentProblem(name: string): string | undefined {
  if (name === '.' || name === '..') return `may not be '${name}'`;
  if (name.includes('/')) return "may not contain '/'";
  return name.includes('%') ? "may not contain '%'" : undefined;
}

const QUALIFIED_RULE = `alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`;

/** Says why this is no label or annotation key, or undefined. */
export function qualifiedNameProblem(key: string): string | undefined {
  const slash = key.indexOf('/');
  const [prefix, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
  if (name.includes('/')) {
    return `a valid label key must consist of ${QUALIFIED_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`;
  }
  if (prefix === '') return 'prefix part must be non-empty';
  const prefixProblem = prefix === undefined ? undefined : subdomainProblem(prefix);
  if (prefixProblem !== undefined) return `prefix part ${prefixProblem}`;
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return 'name part must be no more than 63 bytes';
  if (new RegExp(`^${QUALIFIED}$`).test(name)) return undefined;
  return `name part must consist of ${QUALIFIED_RULE}`;
}

/** Says why this is no label value, or undefined. */
export function labelValueProblem(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 bytes';
  if (new RegExp(`^(${QUALIFIED})?$`).test(value)) return undefined;
  return `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${QUALIFIED})?')`;
}

/** Errors of a map of labels, with Kubernetes' messages. */
export function labelErrors(labels: unknown, field: string): FieldError[] {
  if (!isObject(labels)) return [];
  return Object.entries(labels).flatMap(([key, value]) => {
    const keyProblem = qualifiedNameProblem(key);
    const valueProblem = labelValueProblem(String(value));
    return [
      ...(keyProblem === undefined ? [] : [invalid(field, key, keyProblem)]),
      ...(valueProblem === undefined ? [] : [invalid(field, value, valueProblem)]),
    ];
  });
}

/** What every object's metadata must fulfil. */
export function metadataErrors(kind: Kind, object: ApiObject): FieldError[] {
  const { name, namespace, generateName, labels, annotations, finalizers } = object.metadata;
  const errors: FieldError[] = [];
  const problem = kind.strategy.validName ?? subdomainProblem;
  if (generateName !== undefined && generateName !== '') {
    const why = problem(`${generateName.replace(/[-.]$/, '')}x`);
    if (why !== undefined) errors.push(invalid('metadata.generateName', generateName, why));
  }
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'));
  else {
    const why = problem(name);
    if (why !== undefined) errors.push(invalid('metadata.name', name, why));
  }
  if (kind.namespaced && (namespace ?? '') === '') errors.push(required('metadata.namespace'));
  errors.push(...labelErrors(labels, 'metadata.labels'));
  for (const key of Object.keys(annotations ?? {})) {
    const why = qualifiedNameProblem(key.toLowerCase());
    if (why !== undefined) errors.push(invalid('metadata.annotations', key, why));
  }
  const size = Object.entries(annotations ?? {}).reduce((sum, [k, v]) => sum + k.length + v.length, 0);
  if (size > 262144) errors.push(tooLong('metadata.annotations', 262144));
  for (const [i, finalizer] of (finalizers ?? []).entries()) {
    const why = qualifiedNameProblem(finalizer);
    if (why !== undefined) errors.push(invalid(`metadata.finalizers[${i}]`, finalizer, why));
  }
  return errors;
}

/** What no update may change. */
export function immutableMetadataErrors(object: ApiObject, old: ApiObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    if (object.metadata[key] === old.metadata[key]) continue;
    errors.push(invalid(`metadata.${key}`, object.metadata[key], 'field is immutable'));
  }
  if (old.metadata.deletionTimestamp !== undefined) {
    const had = new Set(old.metadata.finalizers);
    const added = (object.metadata.finalizers ?? []).filter((f) => !had.has(f));
    if (added.length > 0) {
      const detail = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((f) => JSON.stringify(f)).join(', ')}}`;
      errors.push({ reason: 'FieldValueForbidden', field: 'metadata.finalizers', message: `Forbidden: ${detail}` });
    }
  }
  return errors;
}

const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'; // Kubernetes': no vowels, so that no words come about

/** `base` and five random characters. */
export function generatedName(base: string): string {
  const suffix = [...randomBytes(5)].map((b) => ALPHABET[b % ALPHABET.length]).join('');
  return `${base.slice(0, 58)}${suffix}`;
}

/** Checks that a body is an object of this kind and version; returns it as one. */
export function typed(kind: Kind, version: string, body: unknown): ApiObject {
  const apiVersion = apiVersionOf(kind.group, version);
  if (!isObject(body)) throw badRequest(`the body is no object of kind ${kind.kind}: a JSON object is expected`);
  const said = { apiVersion: body['apiVersion'] ?? apiVersion, kind: body['kind'] ?? kind.kind };
  if (body['apiVersion'] === undefined && kind.custom !== undefined) throw missingType('apiVersion', body);
  if (body['kind'] === undefined && kind.custom !== undefined) throw missingType('Kind', body);
  if (said.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${String(said.apiVersion)}) does not match the expected API version (${apiVersion})`,
    );
  }
  if (said.kind !== kind.kind) {
    throw badRequest(
      `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: no kind "${String(said.kind)}" is registered for version "${apiVersion}"`,
    );
  }
  const metadata = body['metadata'] ?? {};
  if (!isObject(metadata)) {
    throw badRequest(
      `${kind.kind} in version "${version}" cannot be handled as a ${kind.kind}: json: cannot unmarshal ${Array.isArray(metadata) ? 'array' : typeof metadata} into Go struct field ${kind.kind}.metadata of type v1.ObjectMeta`,
    );
  }
  return { ...body, ...said, metadata: { ...metadata } } as unknown as ApiObject;
}

function missingType(what: string, body: unknown) {
  return badRequest(`Object '${what}' is missing in '${JSON.stringify(body)}'`);
}
