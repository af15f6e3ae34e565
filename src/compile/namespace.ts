import type { Diagnostic } from '../base/diagnostic.ts';
import type { PolicyMode } from '../mesh/resources.ts';
import type { Namespace } from '../spec/kubernetes.ts';
import type { KubernetesObject } from '../spec/meta.ts';
import { OPAQUE_PORTS, POLICY } from '../spec/names.ts';
import { about } from './finding.ts';
import { readPortList } from './port-protocol.ts';

/** What a namespace says for the pods and Services in it. */
export interface NamespaceFacts {
  readonly mode: PolicyMode;
  readonly opaquePorts: readonly number[];
  readonly diagnostics: readonly Diagnostic[];
}

const MODES: readonly string[] = ['deny', 'permissive', 'audit'] satisfies PolicyMode[];

/** A mode that is not known counts as `deny`: a slip of the pen must not open a namespace (`smi.md` A1). */
export function namespaceFacts(namespace: Namespace, defaultMode: PolicyMode): NamespaceFacts {
  const written = namespace.metadata.annotations.get(POLICY);
  const opaque = opaquePorts(namespace);
  if (written === undefined) return { mode: defaultMode, opaquePorts: opaque.ports, diagnostics: opaque.diagnostics };
  if (MODES.includes(written)) {
    return { mode: written as PolicyMode, opaquePorts: opaque.ports, diagnostics: opaque.diagnostics };
  }
  const unknown = about(namespace, {
    code: 'SMI1501',
    level: 'error',
    path: `metadata.annotations[${POLICY}]`,
    message: `${JSON.stringify(written)} is not a policy mode; the namespace counts as deny`,
    fix: `set the annotation to one of ${MODES.join(', ')}`,
  });
  return { mode: 'deny', opaquePorts: opaque.ports, diagnostics: [unknown, ...opaque.diagnostics] };
}

/** The opaque ports that an object's annotation lists. What is no port is said and passed over. */
export function opaquePorts(object: KubernetesObject): {
  readonly ports: readonly number[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const { ports, bad } = readPortList(object.metadata.annotations.get(OPAQUE_PORTS) ?? '');
  const diagnostics = bad.map((item) =>
    about(object, {
      code: 'SMI1502',
      level: 'warning',
      path: `metadata.annotations[${OPAQUE_PORTS}]`,
      message: `${JSON.stringify(item)} is neither a port nor a range of ports; it makes no port opaque`,
      fix: 'write ports and ranges with commas between them, such as 3306,9000-9005',
    }),
  );
  return { ports, diagnostics };
}
