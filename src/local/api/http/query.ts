import type { ApiError } from '../../api-error.ts';
import { badRequest, invalidOptions, notSupported } from '../errors.ts';

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

/** `?fieldValidation=`; `Warn` where nothing is said, as kubectl expects. @throws ApiError 422 for other values */
export function fieldValidation(query: URLSearchParams): 'Ignore' | 'Warn' | 'Strict' {
  const asked = query.get('fieldValidation') ?? '';
  if (asked === '') return 'Warn';
  if (asked === 'Ignore' || asked === 'Warn' || asked === 'Strict') return asked;
  throw unknownValue('fieldValidation', asked, ['', 'Ignore', 'Strict', 'Warn']);
}

/** `?dryRun=All`. @throws ApiError 422 for other values */
export function dryRun(values: readonly string[]): boolean {
  const wrong = values.find((v) => v !== 'All' && v !== '');
  if (wrong !== undefined) throw unknownValue('dryRun', [wrong], ['All']);
  return values.includes('All');
}

function unknownValue(parameter: string, value: unknown, supported: readonly string[]): ApiError {
  return invalidOptions('CreateOptions', notSupported(parameter, value, supported));
}
