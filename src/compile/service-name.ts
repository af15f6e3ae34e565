/** What a name in a TrafficSplit may mean. */
export type ServiceName = OneService | { readonly kind: 'host' };

interface OneService {
  readonly kind: 'service';
  readonly namespace: string;
  readonly name: string;
}

/**
 * Reads `svc`, `svc.ns`, `svc.ns.svc` and `svc.ns.svc.<cluster domain>`, with or without a trailing dot, as clients
 * write them (`smi.md` S1). Two labels are a Service of another namespace only if such a namespace exists; everything
 * else is a host of the outside (Flagger writes those).
 */
export function readServiceName(
  written: string,
  own: string,
  clusterDomain: string,
  isNamespace: (name: string) => boolean,
): ServiceName {
  const text = written.toLowerCase().replace(/\.$/, '');
  const suffix = [`.svc.${clusterDomain.toLowerCase()}`, '.svc'].find((s) => text.endsWith(s)) ?? '';
  const [name = '', namespace, ...more] = text.slice(0, text.length - suffix.length).split('.');
  if (name === '' || namespace === '' || more.length > 0) return { kind: 'host' };
  if (namespace === undefined) return suffix === '' ? { kind: 'service', namespace: own, name } : { kind: 'host' };
  if (suffix === '' && namespace !== own && !isNamespace(namespace)) return { kind: 'host' };
  return { kind: 'service', namespace, name };
}

/** The names that clients use for a Service; the short one only from its own namespace. */
export function hostnames(namespace: string, name: string, clusterDomain: string, local: boolean): string[] {
  const full = `${name}.${namespace}`;
  return [...(local ? [name] : []), full, `${full}.svc`, `${full}.svc.${clusterDomain}`];
}
