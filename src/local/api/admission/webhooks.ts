import { randomUUID } from 'node:crypto';
import type { ApiObject } from '../../api-client.ts';
import { ApiError } from '../../api-error.ts';
import { isObject, type JsonObject, numberOf, objectOf, objectsOf, stringOf, stringsOf } from '../json.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { labelSelectorMatcher } from '../selectors.ts';
import type { Store } from '../store/store.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';
import type { WebhookCalls } from './webhook-calls.ts';

const GROUP = 'admissionregistration.k8s.io';

/** Calls the webhooks that MutatingWebhookConfigurations and ValidatingWebhookConfigurations name. */
export function webhookAdmission(store: Store, calls: WebhookCalls): AdmissionPlugin {
  const hooks = (resource: string, request: AdmissionRequest): JsonObject[] =>
    request.kind.group === GROUP // a webhook must not be able to keep itself from being mended
      ? []
      : store
          .resource(`${GROUP}/${resource}`)
          .all()
          .flatMap((configuration) => objectsOf(configuration['webhooks']))
          .filter((hook) => concerns(hook, request, store));
  return {
    name: 'Webhooks',
    async mutate(request) {
      let object = request.object;
      for (const hook of hooks('mutatingwebhookconfigurations', request)) {
        const answer = await call(hook, { ...request, object }, calls);
        const patch = stringOf(answer?.['patch']);
        if (patch === '' || object === undefined) continue;
        object = patched(hook, object, patch);
      }
      return object;
    },
    async validate(request) {
      await Promise.all(hooks('validatingwebhookconfigurations', request).map((hook) => call(hook, request, calls)));
    },
  };
}

function patched(hook: JsonObject, object: ApiObject, patch: string): ApiObject {
  try {
    return jsonPatch(object, JSON.parse(Buffer.from(patch, 'base64').toString('utf8'))) as ApiObject;
  } catch (error) {
    throw failed(hook, error);
  }
}

function concerns(hook: JsonObject, request: AdmissionRequest, store: Store): boolean {
  if (!objectsOf(hook['rules']).some((rule) => ruleMatches(rule, request))) return false;
  const objects = [request.object, request.oldObject].filter((o) => o !== undefined);
  const byObject = labelSelectorMatcher(hook['objectSelector'] ?? {});
  if (!objects.some((o) => byObject(o.metadata.labels ?? {}))) return false;
  const byNamespace = labelSelectorMatcher(hook['namespaceSelector'] ?? {});
  if (request.kind.group === '' && request.kind.resource === 'namespaces') {
    return objects.some((o) => byNamespace(o.metadata.labels ?? {}));
  }
  if (!request.kind.namespaced) return true;
  const namespace = store.staged('/namespaces', '', request.namespace);
  return namespace !== undefined && byNamespace(namespace.metadata.labels ?? {});
}

function ruleMatches(rule: JsonObject, { operation, kind, version, subresource }: AdmissionRequest): boolean {
  const has = (key: string, value: string) => stringsOf(rule[key]).some((v) => v === '*' || v === value);
  const scope = stringOf(rule['scope']) || '*';
  if (scope !== '*' && (scope === 'Namespaced') !== kind.namespaced) return false;
  if (!has('operations', operation) || !has('apiGroups', kind.group) || !has('apiVersions', version)) return false;
  return stringsOf(rule['resources']).some((pattern) => {
    const [resource = '', sub = ''] = pattern.split('/');
    if (resource !== '*' && resource !== kind.resource) return false;
    return pattern === '*/*' || sub === subresource || sub === '*';
  });
}

/** Undefined when the webhook cannot be reached and its failurePolicy is Ignore. @throws ApiError when it refuses */
async function call(hook: JsonObject, request: AdmissionRequest, calls: WebhookCalls): Promise<JsonObject | undefined> {
  const review = reviewOf(request);
  let answer: JsonObject;
  try {
    const timeoutMs = numberOf(hook['timeoutSeconds'], 10) * 1000;
    const reply = objectOf(await calls.post(objectOf(hook['clientConfig']), review, timeoutMs));
    const response = reply['response'];
    if (!isObject(response)) throw new Error('expected response, got none in the AdmissionReview');
    if (response['uid'] !== review.request.uid)
      throw new Error(
        `expected response.uid=${JSON.stringify(review.request.uid)}, got ${JSON.stringify(response['uid'])}`,
      );
    answer = response;
  } catch (error) {
    if (hook['failurePolicy'] === 'Ignore') return undefined;
    throw failed(hook, error);
  }
  for (const warning of stringsOf(answer['warnings'])) request.context.warnings.push(warning);
  if (answer['allowed'] === true) return answer;
  const status = objectOf(answer['status']);
  const message = stringOf(status['message']);
  const reason = stringOf(status['reason']);
  const why = message !== '' ? `: ${message}` : reason !== '' ? `: ${reason}` : ' without explanation';
  const details = isObject(status['details']) ? { details: status['details'] } : {};
  throw new ApiError(
    numberOf(status['code'], 403),
    reason || 'Forbidden',
    `admission webhook ${JSON.stringify(hook['name'])} denied the request${why}`,
    details.details,
  );
}

function failed(hook: JsonObject, error: unknown): ApiError {
  const why = error instanceof Error ? error.message : String(error);
  const message = `failed calling webhook ${JSON.stringify(hook['name'])}: failed to call webhook: ${why}`;
  return new ApiError(500, 'InternalError', `Internal error occurred: ${message}`, {
    causes: [{ reason: '', message }],
  });
}

function reviewOf(request: AdmissionRequest) {
  const { kind, version, subresource, namespace, name, operation, object, oldObject, context } = request;
  const gvk = { group: kind.group, version, kind: kind.kind };
  const gvr = { group: kind.group, version, resource: kind.resource };
  const { username, uid, groups, extra } = context.user;
  const sub = subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource };
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: randomUUID(),
      kind: gvk,
      resource: gvr,
      requestKind: gvk,
      requestResource: gvr,
      ...sub,
      ...(name === '' ? {} : { name }),
      ...(namespace === '' ? {} : { namespace }),
      operation,
      userInfo: { username, uid, groups, extra },
      object: object ?? null,
      oldObject: oldObject ?? null,
      dryRun: context.dryRun,
      options: { kind: `${operation[0]}${operation.slice(1).toLowerCase()}Options`, apiVersion: 'meta.k8s.io/v1' },
    },
  };
}
