/** Names one object of the cluster, in the words of kubectl. */
export interface ObjectRef {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string;
  /** Where the object came from, when it was a file: `shop.yaml:14`. */
  readonly source?: string;
}

/**
 * Something a user should know about an object that they wrote. Collected, never thrown: the same value becomes a
 * status condition, an event, a `weft check` line, a log line and a counter.
 */
export interface Diagnostic {
  /** Stable identifier such as `SMI1203`; each has a paragraph in docs/diagnostics.md. */
  readonly code: string;
  readonly level: 'error' | 'warning' | 'info';
  readonly object: ObjectRef;
  /** Field path in the object, `spec.backends[1].service`; empty for the object as a whole. */
  readonly path: string;
  /** One sentence: what is, and what it means for traffic. */
  readonly message: string;
  /** What to do about it. */
  readonly fix: string;
}

/** `TrafficSplit shop/checkout`, or `Namespace shop` for a cluster-scoped object. */
export function objectName(ref: Pick<ObjectRef, 'kind' | 'namespace' | 'name'>): string {
  return `${ref.kind} ${ref.namespace === '' ? '' : `${ref.namespace}/`}${ref.name}`;
}

/** The three-line text form that every terminal of Weft prints. */
export function formatDiagnostic(d: Diagnostic): string {
  const where = d.object.source === undefined ? '' : `  (${d.object.source})`;
  const path = d.path === '' ? '' : `  ${d.path}`;
  return `${d.level} ${d.code}  ${objectName(d.object)}${path}${where}\n  ${d.message}\n  fix: ${d.fix}`;
}

const LEVELS = { error: 0, warning: 1, info: 2 } as const;

/** Total order: level, object, path, code, message. Makes diagnostics independent of the order of discovery. */
export function compareDiagnostics(a: Diagnostic, b: Diagnostic): number {
  return (
    LEVELS[a.level] - LEVELS[b.level] ||
    compare(objectName(a.object), objectName(b.object)) ||
    compare(a.path, b.path) ||
    compare(a.code, b.code) ||
    compare(a.message, b.message)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
