import type { ApiObject } from '../../api-client.ts';
import { arrayOf, isObject, numberOf, objectOf, objectsOf, stringOf, stringsOf } from '../json.ts';
import { printLabelSelector } from '../selectors.ts';
import type { Column } from './column.ts';
import { AGE, column, orNone, printMap, spec, status } from './make-column.ts';

export const SERVICE_COLUMNS: readonly Column[] = [
  column('Type', (o) => stringOf(spec(o)['type'])),
  column('Cluster-IP', (o) => stringsOf(spec(o)['clusterIPs'])[0] ?? orNone(stringOf(spec(o)['clusterIP']))),
  column('External-IP', externalAddress),
  column('Port(s)', servicePorts),
  AGE,
  column('wide:Selector', (o) => printMap(spec(o)['selector'])),
];

function externalAddress(service: ApiObject): string {
  const { type, externalName } = spec(service);
  const external = stringsOf(spec(service)['externalIPs']);
  if (type === 'ExternalName') return stringOf(externalName);
  if (type !== 'LoadBalancer') return orNone(external.join(','));
  const ingress = objectsOf(objectOf(status(service)['loadBalancer'])['ingress']).map(
    (i) => stringOf(i['ip']) || stringOf(i['hostname']),
  );
  const all = [...ingress, ...external];
  return all.length === 0 ? '<pending>' : all.join(',');
}

function servicePorts(service: ApiObject): string {
  const ports = objectsOf(spec(service)['ports']).map((p) => {
    const node = numberOf(p['nodePort']);
    return `${numberOf(p['port'])}${node === 0 ? '' : `:${node}`}/${stringOf(p['protocol'])}`;
  });
  return orNone(ports.join(','));
}

export const ENDPOINTS_COLUMNS: readonly Column[] = [column('Endpoints', endpoints), AGE];

function endpoints(object: ApiObject): string {
  const all = objectsOf(object['subsets']).flatMap((subset) => {
    const addresses = objectsOf(subset['addresses']).map((a) => stringOf(a['ip']));
    const ports = objectsOf(subset['ports']);
    if (ports.length === 0) return addresses;
    return ports.flatMap((p) => addresses.map((a) => (a.includes(':') ? `[${a}]` : a) + `:${numberOf(p['port'])}`));
  });
  return shortened(all);
}

function shortened(all: readonly string[]): string {
  if (all.length === 0) return '<none>';
  return all.length > 3 ? `${all.slice(0, 3).join(',')} + ${all.length - 3} more...` : all.join(',');
}

export const ENDPOINT_SLICE_COLUMNS: readonly Column[] = [
  column('AddressType', (o) => stringOf(o['addressType'])),
  column('Ports', (o) => {
    const ports = objectsOf(o['ports']).map((p) => (p['port'] === undefined ? '*' : String(p['port'])));
    return ports.length === 0 ? '<unset>' : shortened(ports);
  }),
  column('Endpoints', (o) => {
    const addresses = objectsOf(o['endpoints']).flatMap((e) => stringsOf(e['addresses']));
    return addresses.length === 0 ? '<unset>' : shortened(addresses);
  }),
  AGE,
];

export const INGRESS_COLUMNS: readonly Column[] = [
  column('Class', (o) => orNone(stringOf(spec(o)['ingressClassName']))),
  column('Hosts', (o) => {
    const hosts = objectsOf(spec(o)['rules']).map((r) => stringOf(r['host']) || '*');
    return hosts.length === 0 ? '*' : shortened(hosts);
  }),
  column('Address', (o) =>
    objectsOf(objectOf(status(o)['loadBalancer'])['ingress'])
      .map((i) => stringOf(i['ip']) || stringOf(i['hostname']))
      .join(','),
  ),
  column('Ports', (o) => (arrayOf(spec(o)['tls']).length > 0 ? '80, 443' : '80')),
  AGE,
];

export const INGRESS_CLASS_COLUMNS: readonly Column[] = [
  column('Controller', (o) => stringOf(spec(o)['controller'])),
  column('Parameters', (o) => {
    const { apiGroup, kind, name } = objectOf(spec(o)['parameters']);
    if (!isObject(spec(o)['parameters'])) return '<none>';
    return `${stringOf(kind)}${stringOf(apiGroup) === '' ? '' : `.${stringOf(apiGroup)}`}/${stringOf(name)}`;
  }),
  AGE,
];

export const NETWORK_POLICY_COLUMNS: readonly Column[] = [
  column('Pod-Selector', (o) => printLabelSelector(spec(o)['podSelector'])),
  AGE,
];
