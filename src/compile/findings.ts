import type { Diagnostic } from '../base/diagnostic.ts';

/** Values of a stage, by key, with what there is to say about each. */
export type Findings = ReadonlyMap<string, { readonly diagnostics: readonly Diagnostic[] }>;
