import { BlockList, isIP } from 'node:net';
import type { ApiObject } from '../../api-client.ts';
import { duplicate, type FieldError, invalid, notSupported, required } from '../errors.ts';
import {
  ensureObject,
  type JsonObject,
  numberOf,
  objectOf,
  objectsOf,
  setDefault,
  stringOf,
  stringsOf,
} from '../json.ts';
import { dnsLabel1035Problem, labelErrors, subdomainProblem } from '../registry/names.ts';
import type { Look, Strategy } from './kind.ts';
import { portNameErrors, portNumberErrors } from './pod-validation.ts';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const NODE_PORTS = { first: 30000, last: 32767 };

/** Services. Every Service that asks for an address gets one of `cidr` (IPv4) of its own. */
export function serviceStrategy(cidr: string): Strategy {
  return {
    validName: dnsLabel1035Problem,
    defaults,
    prepareCreate(object) {
      object['status'] = { loadBalancer: {} };
    },
    prepareUpdate(object, old) {
      keepAddresses(objectOf(object['spec']), objectOf(old['spec']));
    },
    validate: serviceErrors,
    validateUpdate(object, old) {
      const [now, before] = [objectOf(object['spec']), objectOf(old['spec'])];
      if (now['type'] === 'ExternalName' || before['type'] === 'ExternalName') return [];
      const [ip, was] = [stringOf(now['clusterIP']), stringOf(before['clusterIP'])];
      const list = stringsOf(now['clusterIPs']);
      if (was === '' || ip === was) return [];
      return [invalid('spec.clusterIPs[0]', list, 'may not change once set')].map((e) => ({
        ...e,
        message: `Invalid value: ${JSON.stringify(list)}: may not change once set`,
      }));
    },
    claim: (object, old, look) => [...claimAddress(object, look, cidr), ...claimNodePorts(object, old, look)],
    fields: (object) => ({
      'spec.clusterIP': stringOf(objectOf(object['spec'])['clusterIP']),
      'spec.type': stringOf(objectOf(object['spec'])['type']),
    }),
  };
}

function defaults(object: JsonObject): void {
  const spec = ensureObject(object, 'spec');
  setDefault(spec, 'sessionAffinity', 'None');
  setDefault(spec, 'type', 'ClusterIP');
  if (spec['type'] !== 'ExternalName') {
    setDefault(spec, 'internalTrafficPolicy', 'Cluster');
    setDefault(spec, 'ipFamilyPolicy', 'SingleStack');
    setDefault(spec, 'ipFamilies', ['IPv4']);
  }
  if (spec['type'] === 'NodePort' || spec['type'] === 'LoadBalancer')
    setDefault(spec, 'externalTrafficPolicy', 'Cluster');
  if (spec['type'] === 'LoadBalancer') setDefault(spec, 'allocateLoadBalancerNodePorts', true);
  if (spec['sessionAffinity'] === 'ClientIP')
    setDefault(ensureObject(ensureObject(spec, 'sessionAffinityConfig'), 'clientIP'), 'timeoutSeconds', 10800);
  for (const port of objectsOf(spec['ports'])) {
    setDefault(port, 'protocol', 'TCP');
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '')
      port['targetPort'] = port['port'];
  }
  const [ip, ips] = [stringOf(spec['clusterIP']), stringsOf(spec['clusterIPs'])];
  if (ip !== '' && ips.length === 0) spec['clusterIPs'] = [ip];
  if (ip === '' && ips[0] !== undefined) spec['clusterIP'] = ips[0];
}

/** An update that says nothing about addresses keeps them. */
function keepAddresses(spec: JsonObject, old: JsonObject): void {
  if (spec['type'] === 'ExternalName') {
    for (const key of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'])
      delete spec[key];
    return;
  }
  if (stringOf(spec['clusterIP']) === '' && old['clusterIP'] !== undefined) {
    spec['clusterIP'] = old['clusterIP'];
    spec['clusterIPs'] = old['clusterIPs'];
  }
  if (spec['type'] !== 'NodePort' && spec['type'] !== 'LoadBalancer') {
    for (const port of objectsOf(spec['ports'])) delete port['nodePort'];
    delete spec['externalTrafficPolicy'];
    return;
  }
  const had = new Map(
    objectsOf(old['ports']).map((p) => [`${numberOf(p['port'])}/${stringOf(p['protocol'])}`, p['nodePort']]),
  );
  for (const port of objectsOf(spec['ports'])) {
    const before = had.get(`${numberOf(port['port'])}/${stringOf(port['protocol'])}`);
    if (before !== undefined) setDefault(port, 'nodePort', before);
  }
}

function serviceErrors(object: ApiObject): FieldError[] {
  const spec = objectOf(object['spec']);
  const errors: FieldError[] = [];
  const { type } = spec;
  const ports = objectsOf(spec['ports']);
  const headless = spec['clusterIP'] === 'None';
  if (!TYPES.includes(stringOf(type))) errors.push(notSupported('spec.type', type, TYPES));
  if (ports.length === 0 && !headless && type !== 'ExternalName') errors.push(required('spec.ports'));
  if (type === 'ExternalName') {
    const name = stringOf(spec['externalName']);
    const problem = name === '' ? undefined : subdomainProblem(name.replace(/\.$/, '').toLowerCase());
    if (name === '') errors.push(required('spec.externalName'));
    else if (problem !== undefined) errors.push(invalid('spec.externalName', name, problem));
  }
  errors.push(...labelErrors(spec['selector'], 'spec.selector'));
  if (spec['sessionAffinity'] !== 'None' && spec['sessionAffinity'] !== 'ClientIP') {
    errors.push(notSupported('spec.sessionAffinity', spec['sessionAffinity'], ['ClientIP', 'None']));
  }
  for (const [i, ip] of stringsOf(spec['clusterIPs']).entries()) {
    if (ip !== 'None' && isIP(ip) === 0)
      errors.push(
        invalid(`spec.clusterIPs[${i}]`, ip, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
      );
  }
  return [...errors, ...portErrors(ports)];
}

function portErrors(ports: readonly JsonObject[]): FieldError[] {
  const names = new Set<string>();
  const taken = new Set<string>();
  return ports.flatMap((port, i) => {
    const at = `spec.ports[${i}]`;
    const errors: FieldError[] = [];
    const name = stringOf(port['name']);
    if (name === '' && ports.length > 1) errors.push(required(`${at}.name`));
    if (name !== '') {
      const problem = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && name.length <= 63 ? undefined : LABEL_TEXT;
      if (problem !== undefined) errors.push(invalid(`${at}.name`, name, problem));
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    errors.push(...portNumberErrors(port['port'] ?? 0, `${at}.port`));
    const { protocol, targetPort } = port;
    if (!['SCTP', 'TCP', 'UDP'].includes(stringOf(protocol)))
      errors.push(notSupported(`${at}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']));
    if (typeof targetPort === 'number') errors.push(...portNumberErrors(targetPort, `${at}.targetPort`));
    if (typeof targetPort === 'string') errors.push(...portNameErrors(targetPort, `${at}.targetPort`));
    const key = `${numberOf(port['port'])}/${stringOf(protocol)}`;
    if (taken.has(key)) errors.push({ ...duplicate(at, { port: port['port'], protocol }), field: at });
    taken.add(key);
    return errors;
  });
}

const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

function claimAddress(object: ApiObject, look: Look, cidr: string): FieldError[] {
  const spec = objectOf(object['spec']);
  if (spec['type'] === 'ExternalName' || spec['clusterIP'] === 'None') return [];
  const others = look.list({ group: '', resource: 'services' }).filter((s) => s.metadata.uid !== object.metadata.uid);
  const taken = new Set(others.flatMap((s) => stringsOf(objectOf(s['spec'])['clusterIPs'])));
  const asked = stringOf(spec['clusterIP']);
  if (asked !== '') {
    const range = new BlockList();
    const [network = '', bits = ''] = cidr.split('/');
    range.addSubnet(network, Number(bits));
    const refuse = (why: string) => [invalid('spec.clusterIPs', [asked], `failed to allocate IP ${asked}: ${why}`)];
    if (!range.check(asked, isIP(asked) === 6 ? 'ipv6' : 'ipv4'))
      return refuse(`the provided IP is not in the valid range. The range of valid IPs is ${cidr}`);
    return taken.has(asked) ? refuse('provided IP is already allocated') : [];
  }
  const free = freeAddress(cidr, taken);
  if (free === undefined) return [invalid('spec.clusterIPs', [], `failed to allocate IP: the range ${cidr} is full`)];
  Object.assign(spec, { clusterIP: free, clusterIPs: [free] });
  return [];
}

/** The first free address of the range, leaving out its first ten, which Kubernetes keeps for fixed ones (DNS). */
function freeAddress(cidr: string, taken: ReadonlySet<string>): string | undefined {
  const [network = '', bits = '32'] = cidr.split('/');
  const base = network.split('.').reduce((n, part) => n * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  for (let i = 11; i < size - 1; i++) {
    const n = base + i;
    const address = [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255].join('.');
    if (!taken.has(address)) return address;
  }
  return undefined;
}

function claimNodePorts(object: ApiObject, _old: ApiObject | undefined, look: Look): FieldError[] {
  const spec = objectOf(object['spec']);
  if (spec['type'] !== 'NodePort' && spec['type'] !== 'LoadBalancer') return [];
  const others = look.list({ group: '', resource: 'services' }).filter((s) => s.metadata.uid !== object.metadata.uid);
  const taken = new Set(
    others.flatMap((s) => objectsOf(objectOf(s['spec'])['ports']).map((p) => numberOf(p['nodePort']))),
  );
  const errors: FieldError[] = [];
  for (const [i, port] of objectsOf(spec['ports']).entries()) {
    const asked = numberOf(port['nodePort']);
    if (asked !== 0) {
      const path = `spec.ports[${i}].nodePort`;
      if (asked < NODE_PORTS.first || asked > NODE_PORTS.last) {
        errors.push(
          invalid(
            path,
            asked,
            `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`,
          ),
        );
      } else if (taken.has(asked)) errors.push(invalid(path, asked, 'provided port is already allocated'));
      taken.add(asked);
      continue;
    }
    let free = NODE_PORTS.first;
    while (taken.has(free)) free++;
    taken.add(free);
    port['nodePort'] = free;
  }
  return errors;
}
