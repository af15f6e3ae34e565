import { randomUUID } from 'node:crypto';
import type { ApiObject } from '../../api-client.ts';
import { ApiError } from '../../api-error.ts';
import type { WebhookCalls } from '../admission/webhook-calls.ts';
import { isObject, objectOf, objectsOf, stringOf } from '../json.ts';
import type { Kind } from '../kinds/kind.ts';
import type { ConversionCaller } from '../registry/deps.ts';

const TIMEOUT_MS = 30_000;

/** Asks the conversion webhook that a kind's CRD names. */
export function conversionCaller(calls: WebhookCalls): ConversionCaller {
  return async (kind, objects, apiVersion) => {
    const conversion = kind.custom?.conversion;
    if (conversion?.strategy !== 'Webhook') throw failed(kind, 'its CRD names no webhook');
    const uid = randomUUID();
    const review = {
      kind: 'ConversionReview',
      apiVersion: 'apiextensions.k8s.io/v1',
      request: { uid, desiredAPIVersion: apiVersion, objects },
    };
    let reply: unknown;
    try {
      reply = await calls.post(objectOf(conversion.webhook['clientConfig']), review, TIMEOUT_MS);
    } catch (error) {
      throw failed(kind, error instanceof Error ? error.message : String(error));
    }
    const response = objectOf(objectOf(reply)['response']);
    const result = objectOf(response['result']);
    if (response['uid'] !== uid) throw failed(kind, 'the response has another uid than the request');
    if (result['status'] !== 'Success') throw failed(kind, stringOf(result['message']) || 'the webhook gave no reason');
    const converted = objectsOf(response['convertedObjects']);
    if (converted.length !== objects.length) {
      throw failed(kind, `expected ${objects.length} converted objects, got ${converted.length}`);
    }
    return converted.map((object, i) => checked(kind, object, objects[i], apiVersion));
  };
}

/** A conversion may change labels and annotations; what names the object stays. */
function checked(
  kind: Kind,
  object: Record<string, unknown>,
  original: ApiObject | undefined,
  apiVersion: string,
): ApiObject {
  if (object['apiVersion'] !== apiVersion)
    throw failed(kind, `expected apiVersion ${apiVersion}, got ${String(object['apiVersion'])}`);
  const metadata = object['metadata'];
  if (!isObject(metadata) || original === undefined) throw failed(kind, 'a converted object has no metadata');
  const { labels, annotations } = metadata;
  const { labels: _l, annotations: _a, ...rest } = original.metadata;
  const kept = {
    ...rest,
    ...(labels === undefined ? {} : { labels: labels as Record<string, string> }),
    ...(annotations === undefined ? {} : { annotations: annotations as Record<string, string> }),
  };
  return { ...object, apiVersion, kind: original.kind, metadata: kept };
}

function failed(kind: Kind, why: string): ApiError {
  const message = `conversion webhook for ${kind.group}/${kind.storageVersion}, Kind=${kind.kind} failed: ${why}`;
  return new ApiError(500, 'InternalError', message, { causes: [{ reason: '', message }] });
}
