import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Crd } from '../spec/crds.ts';
import type { KubernetesApi } from './api.ts';
import { applyCrds } from './apply-crds.ts';
import { covers } from './covers.ts';
import { isConflict, isNotFound } from './error.ts';

/** Where an API server reaches Weft's webhooks: by a Service of the cluster, or by URL from elsewhere. */
export type WebhookTarget =
  | { readonly service: { readonly namespace: string; readonly name: string; readonly port: number } }
  | { readonly url: string };

export interface WebhooksOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly crds: readonly Crd[];
  readonly target: WebhookTarget;
  readonly convertPath: string;
  readonly validatePath: string;
  /** Namespace of the control plane: its own objects do not wait for it. */
  readonly namespace: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const NAME = 'weft';

/**
 * Tells the API server to ask Weft: how to convert between the versions of the CRDs, which are installed or brought up to
 * date with it, and what to admit. Writes only what differs, so that it can be called again after every change.
 * @param trust PEM of the roots by which the API server knows Weft
 * @throws when the API server refuses something
 */
export async function registerWebhooks(options: WebhooksOptions, trust: readonly string[], signal: AbortSignal) {
  const caBundle = Buffer.from(trust.join('\n')).toString('base64');
  const crds = options.crds.map((crd) => withConversion(crd, clientConfig(options, options.convertPath, caBundle)));
  await applyCrds({ ...options, crds }, signal);
  await applyValidation(options, caBundle, signal);
}

function clientConfig({ target }: WebhooksOptions, path: string, caBundle: string) {
  return 'url' in target
    ? { url: `${target.url}${path}`, caBundle }
    : { service: { ...target.service, path }, caBundle };
}

/** A kind of one version has nothing to convert, and must not wait for a webhook. */
function withConversion(crd: Crd, config: ReturnType<typeof clientConfig>): Crd {
  const conversion =
    crd.spec.versions.length === 1
      ? { strategy: 'None' }
      : { strategy: 'Webhook', webhook: { clientConfig: config, conversionReviewVersions: ['v1'] } };
  return { ...crd, spec: { ...crd.spec, conversion } };
}

/**
 * `failurePolicy: Ignore`, because nothing depends on it: what a webhook would refuse grants nothing at run time either,
 * and canary tools must go on writing weights while the control plane is away.
 */
function validation(options: WebhooksOptions, caBundle: string) {
  const groups = [...new Set(options.crds.map(({ spec }) => spec.group))];
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: NAME, labels: { 'app.kubernetes.io/part-of': 'weft' } },
    webhooks: [
      {
        name: 'validate.smi.weft.dev',
        clientConfig: clientConfig(options, options.validatePath, caBundle),
        rules: groups.map((group) => ({
          apiGroups: [group],
          apiVersions: ['*'],
          operations: ['CREATE', 'UPDATE'],
          resources: options.crds.filter(({ spec }) => spec.group === group).map(({ spec }) => spec.names.plural),
          scope: 'Namespaced',
        })),
        namespaceSelector: {
          matchExpressions: [
            {
              key: 'kubernetes.io/metadata.name',
              operator: 'NotIn',
              values: ['kube-system', options.namespace],
            },
          ],
        },
        failurePolicy: 'Ignore',
        sideEffects: 'None',
        timeoutSeconds: 5,
        admissionReviewVersions: ['v1'],
      },
    ],
  };
}

async function applyValidation(options: WebhooksOptions, caBundle: string, signal: AbortSignal): Promise<void> {
  const { api, log } = options;
  const wanted = validation(options, caBundle);
  const path = `${CONFIGURATIONS}/${NAME}`;
  for (let tries = 0; ; tries += 1) {
    try {
      const present = await read(api, path, signal);
      if (present === undefined) await api.call({ method: 'POST', path: CONFIGURATIONS, body: wanted }, signal);
      else if (covers(present, wanted)) return;
      else {
        const metadata = {
          ...present['metadata'],
          labels: { ...present['metadata']?.['labels'], ...wanted.metadata.labels },
        };
        await api.call({ method: 'PUT', path, body: { ...wanted, metadata } }, signal);
      }
      log.info('admission webhook registered', { name: NAME });
      return;
    } catch (error) {
      if (!isConflict(error) || tries >= 5) throw error; // another replica does the same: look again
    }
  }
}

interface Configuration {
  readonly metadata?: Readonly<Record<string, unknown>> & { readonly labels?: Readonly<Record<string, string>> };
}

async function read(api: Pick<KubernetesApi, 'call'>, path: string, signal: AbortSignal) {
  try {
    return (await api.call({ method: 'GET', path }, signal)) as Configuration;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
