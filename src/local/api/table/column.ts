import type { ApiObject } from '../../api-client.ts';

/** One column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly format?: string;
  readonly description: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  readonly priority: number;
  /** `nowMs` is for ages. */
  readonly cell: (object: ApiObject, nowMs: number) => string | number | boolean | null;
}
