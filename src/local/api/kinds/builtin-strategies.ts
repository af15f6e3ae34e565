import { crdStrategy } from '../crd/crd-strategy.ts';
import { namespaceStrategy } from './namespace.ts';
import type { Strategy } from './kind.ts';

/** What is special about each built-in kind, by `group/resource`. */
export function builtinStrategies(): ReadonlyMap<string, Strategy> {
  return new Map<string, Strategy>([
    ['/namespaces', namespaceStrategy],
    ['apiextensions.k8s.io/customresourcedefinitions', crdStrategy],
  ]);
}
