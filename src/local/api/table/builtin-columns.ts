import type { Column } from './column.ts';

/** The columns that kubectl shows for a built-in kind. */
export function builtinColumns(_group: string, _resource: string): readonly Column[] {
  return [];
}
