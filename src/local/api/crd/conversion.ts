import type { ApiObject } from '../../api-client.ts';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import type { ConversionCaller } from '../registry/deps.ts';

/** The object in another served version: by webhook when its CRD says so, else only `apiVersion` changes. */
export async function convertToVersion(
  kind: Kind,
  object: ApiObject,
  version: string,
  byWebhook: ConversionCaller,
): Promise<ApiObject> {
  const apiVersion = apiVersionOf(kind.group, version);
  if (object.apiVersion === apiVersion) return object;
  if (kind.convert !== undefined) return kind.convert(object, apiVersion);
  if (kind.custom?.conversion.strategy !== 'Webhook') return { ...object, apiVersion };
  const [converted] = await byWebhook(kind, [object], apiVersion);
  return converted ?? object;
}

/** Converts a whole list with one call of the webhook. */
export async function convertAll(
  kind: Kind,
  objects: readonly ApiObject[],
  version: string,
  byWebhook: ConversionCaller,
): Promise<readonly ApiObject[]> {
  const apiVersion = apiVersionOf(kind.group, version);
  if (objects.every((o) => o.apiVersion === apiVersion)) return objects;
  const { convert } = kind;
  if (convert !== undefined) return objects.map((o) => convert(o, apiVersion));
  if (kind.custom?.conversion.strategy !== 'Webhook') return objects.map((o) => ({ ...o, apiVersion }));
  const others = objects.filter((o) => o.apiVersion !== apiVersion);
  const converted = await byWebhook(kind, others, apiVersion);
  const byObject = new Map(others.map((o, i) => [o, converted[i] ?? o]));
  return objects.map((o) => byObject.get(o) ?? o);
}
