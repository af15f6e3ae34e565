import type { ApiObject } from '../../api-client.ts';
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from '../errors.ts';
import {
  ensureObject,
  isObject,
  type JsonObject,
  objectOf,
  objectsOf,
  setDefault,
  stringOf,
  stringsOf,
} from '../json.ts';
import type { Look, Strategy } from '../kinds/kind.ts';
import { timestamp } from '../registry/deps.ts';
import { dnsLabel1035Problem, subdomainProblem } from '../registry/names.ts';
import { structuralErrors } from './structural.ts';

export const CLEANUP = 'customresourcecleanup.apiextensions.k8s.io';

/** CustomResourceDefinitions: names are accepted, and the kind is served, as soon as the definition is stored. */
export const crdStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    const names = ensureObject(spec, 'names');
    const kind = stringOf(names['kind']);
    if (kind !== '') {
      setDefault(names, 'singular', kind.toLowerCase());
      setDefault(names, 'listKind', `${kind}List`);
    }
    setDefault(ensureObject(spec, 'conversion'), 'strategy', 'None');
  },
  prepareCreate(object, look) {
    object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CLEANUP])];
    accept(object, look);
  },
  prepareUpdate(object, old, look) {
    if (object.metadata.deletionTimestamp === undefined) accept(object, look, old);
  },
  validate: (object, look) => crdErrors(object, look),
  validateUpdate(object, old) {
    const [now, before] = [objectOf(object['spec']), objectOf(old['spec'])];
    const errors: FieldError[] = [];
    for (const key of ['group', 'scope']) {
      if (now[key] !== before[key]) errors.push(invalid(`spec.${key}`, now[key], 'field is immutable'));
    }
    for (const key of ['plural', 'kind']) {
      const [value, was] = [objectOf(now['names'])[key], objectOf(before['names'])[key]];
      if (value !== was) errors.push(invalid(`spec.names.${key}`, value, 'field is immutable'));
    }
    const names = objectsOf(now['versions']).map((v) => v['name']);
    for (const [i, version] of stringsOf(objectOf(old['status'])['storedVersions']).entries()) {
      if (!names.includes(version)) {
        errors.push(
          invalid(`status.storedVersions[${i}]`, version, 'missing from spec.versions; objects may be stored in it'),
        );
      }
    }
    return errors;
  },
  markDeleted(object) {
    const conditions = objectsOf(objectOf(object['status'])['conditions']).filter((c) => c['type'] !== 'Terminating');
    const terminating = condition(
      'Terminating',
      'True',
      'InstanceDeletionInProgress',
      'CustomResource deletion is in progress',
      object.metadata.deletionTimestamp ?? '',
    );
    object['status'] = { ...objectOf(object['status']), conditions: [...conditions, terminating] };
  },
};

function accept(object: ApiObject, look: Look, old?: ApiObject): void {
  const spec = objectOf(object['spec']);
  const at = timestamp(look.now());
  const storage = objectsOf(spec['versions']).find((v) => v['storage'] === true);
  const before = objectOf(old?.['status']);
  const conditions = objectsOf(before['conditions']);
  const storedVersions = [...new Set([...stringsOf(before['storedVersions']), stringOf(storage?.['name'])])];
  object['status'] = {
    acceptedNames: structuredClone(objectOf(spec['names'])),
    conditions:
      conditions.length > 0
        ? structuredClone(conditions)
        : [
            condition('NamesAccepted', 'True', 'NoConflicts', 'no conflicts found', at),
            condition('Established', 'True', 'InitialNamesAccepted', 'the initial names have been accepted', at),
          ],
    storedVersions: storedVersions.filter((v) => v !== ''),
  };
}

function condition(
  type: string,
  status: string,
  reason: string,
  message: string,
  lastTransitionTime: string,
): JsonObject {
  return { lastTransitionTime, message, reason, status, type };
}

function crdErrors(object: ApiObject, look: Look): FieldError[] {
  const spec = objectOf(object['spec']);
  const names = objectOf(spec['names']);
  const [group, plural] = [stringOf(spec['group']), stringOf(names['plural'])];
  const errors: FieldError[] = [];
  if (group === '') errors.push(required('spec.group'));
  else if (!group.includes('.')) errors.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  const groupProblem = group === '' ? undefined : subdomainProblem(group);
  if (groupProblem !== undefined) errors.push(invalid('spec.group', group, groupProblem));
  if (object.metadata.name !== `${plural}.${group}`) {
    errors.push(invalid('metadata.name', object.metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  const { scope } = spec;
  if (scope === undefined) errors.push(required('spec.scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced')
    errors.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  for (const key of ['plural', 'singular', 'kind', 'listKind']) {
    const name = stringOf(names[key]);
    if (name === '') errors.push(required(`spec.names.${key}`));
    else {
      const problem = dnsLabel1035Problem(name.toLowerCase());
      if (problem !== undefined) errors.push(invalid(`spec.names.${key}`, name, problem));
    }
  }
  return [...errors, ...nameConflicts(object, look), ...versionErrors(spec), ...conversionErrors(spec)];
}

/** Kubernetes takes such a CRD and never establishes it; here it is refused, which says the same sooner. */
function nameConflicts(object: ApiObject, look: Look): FieldError[] {
  const spec = objectOf(object['spec']);
  const { kind } = objectOf(spec['names']);
  const others = look.list({ group: 'apiextensions.k8s.io', resource: 'customresourcedefinitions' });
  const other = others.find((o) => {
    const theirs = objectOf(o['spec']);
    return (
      o.metadata.name !== object.metadata.name &&
      theirs['group'] === spec['group'] &&
      objectOf(theirs['names'])['kind'] === kind
    );
  });
  return other === undefined
    ? []
    : [invalid('spec.names.kind', kind, `is already in use by CustomResourceDefinition ${other.metadata.name}`)];
}

function versionErrors(spec: JsonObject): FieldError[] {
  const versions = objectsOf(spec['versions']);
  const errors: FieldError[] = [];
  if (versions.length === 0) errors.push(required('spec.versions'));
  const seen = new Set<string>();
  for (const [i, version] of versions.entries()) {
    const path = `spec.versions[${i}]`;
    const name = stringOf(version['name']);
    if (name === '') errors.push(required(`${path}.name`));
    if (seen.has(name)) errors.push(duplicate(`${path}.name`, name));
    seen.add(name);
    const schema = objectOf(version['schema'])['openAPIV3Schema'];
    if (!isObject(schema)) errors.push(required(`${path}.schema.openAPIV3Schema`, 'schemas are required'));
    else errors.push(...structuralErrors(schema, `${path}.schema.openAPIV3Schema`));
    for (const [j, column] of objectsOf(version['additionalPrinterColumns']).entries()) {
      for (const key of ['name', 'type', 'jsonPath']) {
        if (stringOf(column[key]) === '') errors.push(required(`${path}.additionalPrinterColumns[${j}].${key}`));
      }
    }
  }
  const stored = versions.filter((v) => v['storage'] === true).length;
  if (versions.length > 0 && stored !== 1) {
    errors.push(
      invalid(
        'spec.versions',
        versions.map((v) => v['name']),
        'must have exactly one version marked as storage version',
      ),
    );
  }
  if (spec['preserveUnknownFields'] === true) {
    errors.push(
      forbidden('spec.preserveUnknownFields', 'must be false; use x-kubernetes-preserve-unknown-fields in the schema'),
    );
  }
  return errors;
}

function conversionErrors(spec: JsonObject): FieldError[] {
  const conversion = objectOf(spec['conversion']);
  const { strategy } = conversion;
  if (strategy === 'None') return [];
  if (strategy !== 'Webhook') return [notSupported('spec.conversion.strategy', strategy, ['None', 'Webhook'])];
  const webhook = objectOf(conversion['webhook']);
  const errors: FieldError[] = [];
  if (!isObject(webhook['clientConfig']))
    errors.push(required('spec.conversion.webhook.clientConfig', 'required when strategy is set to Webhook'));
  if (stringsOf(webhook['conversionReviewVersions']).length === 0)
    errors.push(required('spec.conversion.webhook.conversionReviewVersions'));
  return errors;
}
