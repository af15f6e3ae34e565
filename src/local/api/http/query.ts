import { ApiError } from '../../api-error.ts';
import { badRequest } from '../errors.ts';

/** A number of the query, or `fallback`. @throws ApiError 400 */
export function numberParameter(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name);
  if (text === null || text === '') return fallback;
  if (!/^-?\d{1,15}$/.test(text)) {
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax (parameter ${name})`);
  }
  return Number(text);
}

/** `true`, `1` and the bare parameter are true. */
export function flag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name);
  return text !== null && text !== 'false' && text !== '0';
}

/** `?dryRun=All`. @throws ApiError 422 for other values */
export function dryRun(values: readonly string[]): boolean {
  const wrong = values.find((v) => v !== 'All' && v !== '');
  if (wrong !== undefined) {
    const message = `Unsupported value: ${JSON.stringify(wrong)}: supported values: "All"`;
    throw new ApiError(422, 'Invalid', `CreateOptions.meta.k8s.io "" is invalid: dryRun: ${message}`, {
      group: 'meta.k8s.io',
      kind: 'CreateOptions',
      causes: [{ reason: 'FieldValueNotSupported', message, field: 'dryRun' }],
    });
  }
  return values.includes('All');
}
