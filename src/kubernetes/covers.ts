import { isDeepStrictEqual } from 'node:util';

/** Whether `value` says everything that `asked` says; a server adds defaults, which do not count. */
export function covers(value: unknown, asked: unknown): boolean {
  if (Array.isArray(asked)) {
    return Array.isArray(value) && value.length === asked.length && asked.every((item, i) => covers(value[i], item));
  }
  if (typeof asked !== 'object' || asked === null) return isDeepStrictEqual(value, asked);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(asked).every(([key, item]) => covers((value as Record<string, unknown>)[key], item));
}
