/** What a path below /api or /apis names. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  /** Empty for cluster-scoped objects and for lists over all namespaces. */
  readonly namespace: string;
  readonly resource: string;
  /** Empty for collections. */
  readonly name: string;
  readonly subresource: string;
  /** What follows the subresource (`/proxy/...`). */
  readonly rest: string;
}

/** Parses `/api/v1/namespaces/shop/pods/web/log`; undefined for paths that name no resource. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path
    .split('/')
    .filter((p) => p !== '')
    .map(decoded);
  const core = parts[0] === 'api';
  if (!core && parts[0] !== 'apis') return undefined;
  const [group = '', version = '', ...rest] = core ? ['', ...parts.slice(1)] : parts.slice(1);
  if (rest.length === 0) return undefined;
  // `namespaces/shop/pods` is inside a namespace; `namespaces/shop`, `namespaces/shop/status` are the namespace itself.
  if (rest[0] === 'namespaces' && rest.length > 2 && rest[2] !== 'status' && rest[2] !== 'finalize') {
    const [, namespace = '', resource = '', name = '', subresource = '', ...tail] = rest;
    return { group, version, namespace, resource, name, subresource, rest: tail.join('/') };
  }
  const [resource = '', name = '', subresource = '', ...tail] = rest;
  return { group, version, namespace: '', resource, name, subresource, rest: tail.join('/') };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a stray percent sign: it will name nothing
  }
}
