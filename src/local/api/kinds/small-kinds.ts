import type { ApiObject } from '../../api-client.ts';
import { type FieldError, forbidden, invalid, notSupported, required, tooLong } from '../errors.ts';
import {
  ensureObject,
  isObject,
  type JsonObject,
  objectOf,
  objectsOf,
  sameJson,
  setDefault,
  stringOf,
  stringsOf,
} from '../json.ts';
import { pathSegmentProblem } from '../registry/names.ts';
import type { Strategy } from './kind.ts';

const MAX_DATA_BYTES = 1024 * 1024;

function dataErrors(object: ApiObject, fields: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  let size = 0;
  for (const field of fields) {
    for (const [key, value] of Object.entries(objectOf(object[field]))) {
      if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
        errors.push(
          invalid(
            `${field}[${key}]`,
            key,
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
          ),
        );
      }
      size += stringOf(value).length;
    }
  }
  if (size > MAX_DATA_BYTES) errors.push(tooLong('', MAX_DATA_BYTES));
  return errors;
}

/** `immutable: true` cannot be taken back, and the data stays as it is. */
function immutableErrors(object: ApiObject, old: ApiObject, fields: readonly string[]): FieldError[] {
  if (old['immutable'] !== true) return [];
  const errors = fields
    .filter((field) => !sameJson(object[field] ?? {}, old[field] ?? {}))
    .map((field) => forbidden(field, 'field is immutable when `immutable` is set'));
  return object['immutable'] === true
    ? errors
    : [forbidden('immutable', 'field is immutable when `immutable` is set'), ...errors];
}

export const configMapStrategy: Strategy = {
  validate: (object) => dataErrors(object, ['data', 'binaryData']),
  validateUpdate: (object, old) => immutableErrors(object, old, ['data', 'binaryData']),
};

export const secretStrategy: Strategy = {
  defaults: (object) => setDefault(object, 'type', 'Opaque'),
  prepareCreate: mergeStringData,
  prepareUpdate: mergeStringData,
  validate(object) {
    const errors = dataErrors(object, ['data']);
    for (const [key, value] of Object.entries(objectOf(object['data']))) {
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(stringOf(value)))
        errors.push(invalid(`data[${key}]`, '<redacted>', 'is no base64'));
    }
    for (const key of NEEDED[stringOf(object['type'])] ?? []) {
      if (objectOf(object['data'])[key] === undefined) errors.push(required(`data[${key}]`));
    }
    return errors;
  },
  validateUpdate(object, old) {
    const type = object['type'] === old['type'] ? [] : [invalid('type', object['type'], 'field is immutable')];
    return [...type, ...immutableErrors(object, old, ['data'])];
  },
  fields: (object) => ({ type: stringOf(object['type']) }),
};

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
};

function mergeStringData(object: ApiObject): void {
  const text = object['stringData'];
  if (!isObject(text)) return;
  const data = ensureObject(object, 'data');
  for (const [key, value] of Object.entries(text)) data[key] = Buffer.from(stringOf(value)).toString('base64');
  delete object['stringData'];
}

export const eventStrategy: Strategy = {
  fields(object) {
    const of = objectOf(object['involvedObject'] ?? object['regarding']);
    return {
      'involvedObject.kind': stringOf(of['kind']),
      'involvedObject.namespace': stringOf(of['namespace']),
      'involvedObject.name': stringOf(of['name']),
      'involvedObject.uid': stringOf(of['uid']),
      'involvedObject.apiVersion': stringOf(of['apiVersion']),
      'involvedObject.resourceVersion': stringOf(of['resourceVersion']),
      'involvedObject.fieldPath': stringOf(of['fieldPath']),
      'regarding.kind': stringOf(of['kind']),
      'regarding.namespace': stringOf(of['namespace']),
      'regarding.name': stringOf(of['name']),
      'regarding.uid': stringOf(of['uid']),
      reason: stringOf(object['reason']),
      reportingComponent: stringOf(object['reportingComponent'] ?? object['reportingController']),
      source: stringOf(objectOf(object['source'] ?? object['deprecatedSource'])['component']),
      type: stringOf(object['type']),
    };
  },
};

export const nodeStrategy: Strategy = {
  fields: (object) => ({ 'spec.unschedulable': String(objectOf(object['spec'])['unschedulable'] === true) }),
};

export const leaseStrategy: Strategy = {
  validate(object) {
    const { leaseDurationSeconds, leaseTransitions } = objectOf(object['spec']);
    const errors: FieldError[] = [];
    if (typeof leaseDurationSeconds === 'number' && leaseDurationSeconds <= 0) {
      errors.push(invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
    }
    if (typeof leaseTransitions === 'number' && leaseTransitions < 0) {
      errors.push(invalid('spec.leaseTransitions', leaseTransitions, 'must be greater than or equal to 0'));
    }
    return errors;
  },
};

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];

export const endpointSliceStrategy: Strategy = {
  generation: true,
  defaults(object) {
    for (const port of objectsOf(object['ports'])) {
      setDefault(port, 'name', '');
      setDefault(port, 'protocol', 'TCP');
    }
  },
  validate(object) {
    const type = object['addressType'];
    if (type === undefined || type === '') return [required('addressType')];
    return ADDRESS_TYPES.includes(stringOf(type)) ? [] : [notSupported('addressType', type, ADDRESS_TYPES)];
  },
  validateUpdate: (object, old) =>
    object['addressType'] === old['addressType']
      ? []
      : [invalid('addressType', object['addressType'], 'field is immutable')],
};

const RBAC = 'rbac.authorization.k8s.io';

export const roleStrategy: Strategy = {
  validName: pathSegmentProblem,
  validate(object) {
    return objectsOf(object['rules']).flatMap((rule, i) => {
      const errors: FieldError[] = [];
      if (stringsOf(rule['verbs']).length === 0)
        errors.push(required(`rules[${i}].verbs`, 'verbs must contain at least one value'));
      const paths = stringsOf(rule['nonResourceURLs']).length > 0;
      if (!paths && stringsOf(rule['apiGroups']).length === 0)
        errors.push(required(`rules[${i}].apiGroups`, 'resource rules must supply at least one api group'));
      if (!paths && stringsOf(rule['resources']).length === 0)
        errors.push(required(`rules[${i}].resources`, 'resource rules must supply at least one resource'));
      return errors;
    });
  },
};

export const roleBindingStrategy: Strategy = {
  validName: pathSegmentProblem,
  defaults(object) {
    for (const subject of objectsOf(object['subjects'])) {
      if (subject['kind'] === 'User' || subject['kind'] === 'Group') setDefault(subject, 'apiGroup', RBAC);
    }
    const ref = object['roleRef'];
    if (isObject(ref)) setDefault(ref, 'apiGroup', RBAC);
  },
  validate(object) {
    const ref = objectOf(object['roleRef']);
    const errors: FieldError[] = [];
    const kinds = object.kind === 'ClusterRoleBinding' ? ['ClusterRole'] : ['Role', 'ClusterRole'];
    if (!kinds.includes(stringOf(ref['kind']))) errors.push(notSupported('roleRef.kind', ref['kind'] ?? '', kinds));
    if (stringOf(ref['name']) === '') errors.push(required('roleRef.name'));
    for (const [i, subject] of objectsOf(object['subjects']).entries()) {
      if (stringOf(subject['name']) === '') errors.push(required(`subjects[${i}].name`));
      if (subject['kind'] === 'ServiceAccount' && stringOf(subject['namespace']) === '')
        errors.push(required(`subjects[${i}].namespace`));
    }
    return errors;
  },
  validateUpdate: (object, old) =>
    sameJson(object['roleRef'], old['roleRef']) ? [] : [invalid('roleRef', object['roleRef'], 'cannot change roleRef')],
};

/** Webhook configurations of both kinds. */
export const webhookStrategy: Strategy = {
  generation: true,
  defaults(object) {
    for (const webhook of objectsOf(object['webhooks'])) {
      setDefault(webhook, 'failurePolicy', 'Fail');
      setDefault(webhook, 'matchPolicy', 'Equivalent');
      setDefault(webhook, 'timeoutSeconds', 10);
      setDefault(webhook, 'namespaceSelector', {});
      setDefault(webhook, 'objectSelector', {});
      if (object['kind'] === 'MutatingWebhookConfiguration') setDefault(webhook, 'reinvocationPolicy', 'Never');
      for (const rule of objectsOf(webhook['rules'])) setDefault(rule, 'scope', '*');
      const service = objectOf(webhook['clientConfig'])['service'];
      if (isObject(service)) setDefault(service, 'port', 443);
    }
  },
  validate(object) {
    return objectsOf(object['webhooks']).flatMap((webhook, i) => webhookErrors(webhook, `webhooks[${i}]`));
  },
};

function webhookErrors(webhook: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const name = stringOf(webhook['name']);
  if (name === '') errors.push(required(`${path}.name`));
  else if (name.split('.').length < 3)
    errors.push(invalid(`${path}.name`, name, 'should be a domain with at least three segments separated by dots'));
  const versions = stringsOf(webhook['admissionReviewVersions']);
  if (versions.length === 0)
    errors.push(required(`${path}.admissionReviewVersions`, 'must specify one of v1, v1beta1'));
  else if (!versions.includes('v1') && !versions.includes('v1beta1')) {
    errors.push(invalid(`${path}.admissionReviewVersions`, versions, 'must include at least one of v1, v1beta1'));
  }
  if (webhook['sideEffects'] === undefined)
    errors.push(required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun'));
  else if (!['None', 'NoneOnDryRun'].includes(stringOf(webhook['sideEffects']))) {
    errors.push(notSupported(`${path}.sideEffects`, webhook['sideEffects'], ['None', 'NoneOnDryRun']));
  }
  if (objectsOf(webhook['matchConditions']).length > 0) {
    errors.push(
      forbidden(`${path}.matchConditions`, 'CEL expressions are not evaluated in local mode: use rules and selectors'),
    );
  }
  const client = objectOf(webhook['clientConfig']);
  if ((client['url'] === undefined) === (client['service'] === undefined)) {
    errors.push(required(`${path}.clientConfig`, 'exactly one of url or service is required'));
  }
  const seconds = webhook['timeoutSeconds'];
  if (typeof seconds === 'number' && (seconds < 1 || seconds > 30)) {
    errors.push(invalid(`${path}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds'));
  }
  return errors;
}

export const apiServiceStrategy: Strategy = {
  defaults(object) {
    const service = objectOf(object['spec'])['service'];
    if (isObject(service)) setDefault(service, 'port', 443);
  },
  validate(object) {
    const spec = objectOf(object['spec']);
    const errors: FieldError[] = [];
    const name = `${stringOf(spec['version'])}.${stringOf(spec['group'])}`;
    if (object.metadata.name !== name) {
      errors.push(invalid('metadata.name', object.metadata.name, '`spec.version`+"."+`spec.group`: ' + name));
    }
    if (stringOf(spec['version']) === '') errors.push(required('spec.version'));
    for (const key of ['groupPriorityMinimum', 'versionPriority']) {
      const value = spec[key];
      if (typeof value !== 'number' || value <= 0) errors.push(invalid(`spec.${key}`, value ?? 0, 'must be positive'));
    }
    return errors;
  },
};
