import { randomUUID } from 'node:crypto';
import type { ApiObject } from '../../api-client.ts';
import { type FieldError, invalid, notSupported, required } from '../errors.ts';
import {
  ensureObject,
  isObject,
  type JsonObject,
  objectOf,
  objectsOf,
  sameJson,
  setDefault,
  stringMapOf,
  stringOf,
  stringsOf,
} from '../json.ts';
import { labelErrors } from '../registry/names.ts';
import { labelSelectorMatcher } from '../selectors.ts';
import type { Strategy } from './kind.ts';
import { defaultPodSpec } from './pod-defaults.ts';
import { templateErrors } from './pod-validation.ts';

function defaultTemplate(spec: JsonObject): void {
  defaultPodSpec(ensureObject(ensureObject(spec, 'template'), 'spec'));
}

export const deploymentStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    defaultTemplate(spec);
    setDefault(spec, 'replicas', 1);
    setDefault(spec, 'revisionHistoryLimit', 10);
    setDefault(spec, 'progressDeadlineSeconds', 600);
    const strategy = ensureObject(spec, 'strategy');
    setDefault(strategy, 'type', 'RollingUpdate');
    if (strategy['type'] !== 'RollingUpdate') return;
    const rolling = ensureObject(strategy, 'rollingUpdate');
    setDefault(rolling, 'maxUnavailable', '25%');
    setDefault(rolling, 'maxSurge', '25%');
  },
  validate(object) {
    const spec = objectOf(object['spec']);
    const errors = workloadErrors(spec);
    errors.push(...progressErrors(spec));
    const { type, rollingUpdate } = objectOf(spec['strategy']);
    if (type !== 'RollingUpdate' && type !== 'Recreate')
      errors.push(notSupported('spec.strategy.type', type, ['Recreate', 'RollingUpdate']));
    if (type === 'Recreate' && isObject(rollingUpdate)) {
      errors.push({
        reason: 'FieldValueForbidden',
        field: 'spec.strategy.rollingUpdate',
        message: "Forbidden: may not be specified when strategy `type` is 'Recreate'",
      });
    }
    return errors;
  },
  validateUpdate: immutableSelector,
};

function progressErrors(spec: JsonObject): FieldError[] {
  const { progressDeadlineSeconds: deadline, minReadySeconds: ready = 0 } = spec;
  const errors: FieldError[] = [];
  for (const key of ['minReadySeconds', 'progressDeadlineSeconds', 'revisionHistoryLimit']) {
    const value = spec[key];
    if (typeof value === 'number' && value < 0)
      errors.push(invalid(`spec.${key}`, value, 'must be greater than or equal to 0'));
  }
  if (typeof deadline === 'number' && typeof ready === 'number' && deadline <= ready)
    errors.push(invalid('spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds'));
  return errors;
}

export const replicaSetStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    defaultTemplate(spec);
    setDefault(spec, 'replicas', 1);
  },
  prepareCreate(object) {
    object['status'] = { replicas: 0 };
  },
  validate: (object) => workloadErrors(objectOf(object['spec'])),
  validateUpdate: immutableSelector,
  fields: (object) => ({ 'status.replicas': String(objectOf(object['status'])['replicas'] ?? 0) }),
};

export const statefulSetStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    defaultTemplate(spec);
    setDefault(spec, 'replicas', 1);
    setDefault(spec, 'revisionHistoryLimit', 10);
    setDefault(spec, 'podManagementPolicy', 'OrderedReady');
    setDefault(ensureObject(spec, 'updateStrategy'), 'type', 'RollingUpdate');
  },
  prepareCreate(object) {
    object['status'] = { replicas: 0, availableReplicas: 0 };
  },
  validate: (object) => workloadErrors(objectOf(object['spec'])),
  validateUpdate: immutableSelector,
  warnings: () => ['Weft local mode stores StatefulSets and runs none of their pods: use a Deployment'],
};

export const daemonSetStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    defaultTemplate(spec);
    setDefault(spec, 'revisionHistoryLimit', 10);
    const strategy = ensureObject(spec, 'updateStrategy');
    setDefault(strategy, 'type', 'RollingUpdate');
    if (strategy['type'] === 'RollingUpdate') {
      const rolling = ensureObject(strategy, 'rollingUpdate');
      setDefault(rolling, 'maxUnavailable', 1);
      setDefault(rolling, 'maxSurge', 0);
    }
  },
  prepareCreate(object) {
    object['status'] = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };
  },
  validate: (object) => workloadErrors(objectOf(object['spec'])),
  validateUpdate: immutableSelector,
  warnings: () => ['Weft local mode stores DaemonSets and runs none of their pods: use a Deployment'],
};

function workloadErrors(spec: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const { selector, template, replicas } = spec;
  if (typeof replicas === 'number' && replicas < 0)
    errors.push(invalid('spec.replicas', replicas, 'must be greater than or equal to 0'));
  if (!isObject(selector)) errors.push(required('spec.selector'));
  else {
    errors.push(...selectorErrors(selector, 'spec.selector'));
    if (Object.keys(selector).length === 0)
      errors.push(invalid('spec.selector', selector, 'empty selector is invalid for deployment'));
  }
  const labels = stringMapOf(objectOf(objectOf(template)['metadata'])['labels']);
  const matches = isObject(selector) && labelSelectorMatcher(selector)(labels);
  if (!matches) {
    errors.push(invalid('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'));
  }
  errors.push(...templateErrors(template, 'spec.template'));
  const policy = objectOf(objectOf(template)['spec'])['restartPolicy'];
  if (policy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']));
  return errors;
}

/** A LabelSelector that can be evaluated. */
export function selectorErrors(selector: JsonObject, path: string): FieldError[] {
  const errors = labelErrors(selector['matchLabels'], `${path}.matchLabels`);
  for (const [i, expression] of objectsOf(selector['matchExpressions']).entries()) {
    const at = `${path}.matchExpressions[${i}]`;
    const operator = stringOf(expression['operator']);
    const values = stringsOf(expression['values']);
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues && values.length === 0)
      errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
    if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
      errors.push({
        reason: 'FieldValueForbidden',
        field: `${at}.values`,
        message: "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
      });
    }
    if (!takesValues && operator !== 'Exists' && operator !== 'DoesNotExist')
      errors.push(invalid(`${at}.operator`, operator, 'not a valid selector operator'));
  }
  return errors;
}

function immutableSelector(object: ApiObject, old: ApiObject): FieldError[] {
  const [now, before] = [objectOf(object['spec'])['selector'], objectOf(old['spec'])['selector']];
  return sameJson(now, before) ? [] : [invalid('spec.selector', now, 'field is immutable')];
}

export const jobStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    defaultTemplate(spec);
    if (spec['completions'] === undefined && spec['parallelism'] === undefined) spec['completions'] = 1;
    setDefault(spec, 'parallelism', 1);
    setDefault(spec, 'backoffLimit', 6);
    setDefault(spec, 'completionMode', 'NonIndexed');
    setDefault(spec, 'suspend', false);
    setDefault(spec, 'podReplacementPolicy', 'TerminatingOrFailed');
    setDefault(spec, 'manualSelector', false);
    const labels = objectOf(objectOf(spec['template'])['metadata'])['labels'];
    if (Object.keys(object['metadata'] as JsonObject).length > 0 && isObject(labels)) {
      setDefault(object['metadata'] as JsonObject, 'labels', structuredClone(labels));
    }
  },
  prepareCreate(object) {
    const spec = ensureObject(object, 'spec');
    if (spec['manualSelector'] === true) return;
    // The pods of a Job are told apart by its uid, which nobody else can have.
    const uid = object.metadata.uid ?? randomUUID();
    const labels = ensureObject(ensureObject(ensureObject(spec, 'template'), 'metadata'), 'labels');
    Object.assign(labels, {
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': object.metadata.name,
      'controller-uid': uid,
      'job-name': object.metadata.name,
    });
    setDefault(spec, 'selector', { matchLabels: { 'batch.kubernetes.io/controller-uid': uid } });
  },
  validate(object) {
    const spec = objectOf(object['spec']);
    const errors: FieldError[] = [];
    for (const key of [
      'parallelism',
      'completions',
      'backoffLimit',
      'activeDeadlineSeconds',
      'ttlSecondsAfterFinished',
    ]) {
      const value = spec[key];
      if (typeof value === 'number' && value < 0)
        errors.push(invalid(`spec.${key}`, value, 'must be greater than or equal to 0'));
    }
    errors.push(...templateErrors(spec['template'], 'spec.template'));
    const policy = objectOf(objectOf(spec['template'])['spec'])['restartPolicy'];
    if (policy === 'Always') {
      const message = 'Required value: valid values: "OnFailure", "Never"';
      errors.push({ reason: 'FieldValueRequired', field: 'spec.template.spec.restartPolicy', message });
    }
    return errors;
  },
  validateUpdate(object, old) {
    const [now, before] = [objectOf(object['spec']), objectOf(old['spec'])];
    return ['completions', 'selector', 'template', 'completionMode']
      .filter((key) => !sameJson(now[key], before[key]))
      .map((key) => invalid(`spec.${key}`, now[key], 'field is immutable'));
  },
  fields: (object) => ({ 'status.successful': String(objectOf(object['status'])['succeeded'] ?? 0) }),
};

export const cronJobStrategy: Strategy = {
  generation: true,
  defaults(object) {
    const spec = ensureObject(object, 'spec');
    setDefault(spec, 'concurrencyPolicy', 'Allow');
    setDefault(spec, 'suspend', false);
    setDefault(spec, 'successfulJobsHistoryLimit', 3);
    setDefault(spec, 'failedJobsHistoryLimit', 1);
    defaultTemplate(ensureObject(ensureObject(spec, 'jobTemplate'), 'spec'));
  },
  validate(object) {
    const spec = objectOf(object['spec']);
    const errors = stringOf(spec['schedule']) === '' ? [required('spec.schedule')] : [];
    const template = objectOf(objectOf(spec['jobTemplate'])['spec'])['template'];
    return [...errors, ...templateErrors(template, 'spec.jobTemplate.spec.template')];
  },
  warnings: () => ['Weft local mode stores CronJobs and starts none of their jobs'],
};
