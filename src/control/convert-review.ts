import { isObject, type JsonObject } from '../spec/conversion/json-object.ts';
import { convertSmi } from '../spec/convert.ts';

/**
 * Answers a ConversionReview of apiextensions.k8s.io/v1: every object in the asked version, in the order of the request,
 * with its metadata as it was but for what a conversion keeps in annotations. Pure; never throws, whatever it is given.
 */
export function convertReview(review: unknown): JsonObject {
  const request = isObject(review) && isObject(review['request']) ? review['request'] : {};
  const { uid = '', desiredAPIVersion, objects } = request;
  const answer = (response: JsonObject) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    response: { uid, ...response },
  });
  try {
    if (typeof desiredAPIVersion !== 'string') throw new Error('request.desiredAPIVersion is missing');
    if (!Array.isArray(objects)) throw new Error('request.objects is missing');
    const convertedObjects = objects.map((object: unknown) => {
      if (!isObject(object)) throw new Error('request.objects holds something that is no object');
      return convertSmi(object, desiredAPIVersion);
    });
    return answer({ result: { status: 'Success' }, convertedObjects });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return answer({ result: { status: 'Failure', message }, convertedObjects: [] });
  }
}
