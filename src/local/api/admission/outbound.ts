import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { isObject, type JsonObject, numberOf, objectOf, objectsOf, stringOf, stringsOf } from '../json.ts';
import type { Store } from '../store/store.ts';

/** Where a Service's port is reached from this machine. */
export type ServiceAddress = (
  namespace: string,
  name: string,
  port: number,
) => { readonly host: string; readonly port: number } | undefined;

/** Finds a ready endpoint of a Service in the stored EndpointSlices. */
export function endpointAddress(store: Store): ServiceAddress {
  return (namespace, name, port) => {
    const service = store.resource('/services').get(namespace, name);
    const wanted = objectsOf(objectOf(service?.['spec'])['ports']).find((p) => p['port'] === port);
    const slices = store
      .resource('discovery.k8s.io/endpointslices')
      .all()
      .filter((s) => s.metadata.namespace === namespace && s.metadata.labels?.['kubernetes.io/service-name'] === name);
    for (const slice of slices) {
      const number = objectsOf(slice['ports']).find((p) => stringOf(p['name']) === stringOf(wanted?.['name']))?.[
        'port'
      ];
      const ready = objectsOf(slice['endpoints']).find((e) => objectOf(e['conditions'])['ready'] !== false);
      const host = stringsOf(ready?.['addresses'])[0];
      if (host !== undefined && typeof number === 'number') return { host, port: number };
    }
    return undefined;
  };
}

export interface Outbound {
  readonly options: RequestOptions;
  /** For messages: `https://webhook.shop.svc:443/validate`. */
  readonly shown: string;
}

/** Where a `clientConfig` (of a webhook or a CRD's conversion) leads. @throws Error that says what is missing */
export function outboundOf(config: JsonObject, address: ServiceAddress): Outbound {
  const bundle = stringOf(config['caBundle']);
  const ca = bundle === '' ? {} : { ca: Buffer.from(bundle, 'base64').toString('utf8') };
  const service = config['service'];
  if (!isObject(service)) {
    const url = new URL(stringOf(config['url']));
    if (url.protocol !== 'https:') throw new Error(`the URL ${url.href} is not https`);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const servername = isIP(host) === 0 ? { servername: host } : {};
    return {
      options: {
        host,
        port: url.port === '' ? 443 : Number(url.port),
        path: url.pathname + url.search,
        ...servername,
        ...ca,
      },
      shown: url.href,
    };
  }
  const [namespace, name, port] = [
    stringOf(service['namespace']),
    stringOf(service['name']),
    numberOf(service['port'], 443),
  ];
  const path = stringOf(service['path']) || '/';
  const found = address(namespace, name, port);
  const shown = `https://${name}.${namespace}.svc:${port}${path}`;
  if (found === undefined) throw new Error(`no endpoints available for service "${name}" in namespace "${namespace}"`);
  return { options: { ...found, path, servername: `${name}.${namespace}.svc`, ...ca }, shown };
}
