import { isIP } from 'node:net';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import { flag, integer, list, literal, object, oneOf, optional, text, type Check } from './check.ts';

/** Checks for the resources of `mesh/resources.ts` as they stand in a standalone sidecar's file. */
const port = integer(1, 65535);
const name = text('a non-empty text', (value) => value !== '');
const address = text('an IP address', (value) => isIP(value) !== 0);
const identity = text('a SPIFFE ID, spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT', (id) => parseSpiffeId(id) !== undefined);
const protocol = literal('detect', 'http1', 'http2', 'tcp');

const labels = object({ namespace: name, pod: name, serviceAccount: name, ownerKind: name, owner: name });

const httpMatch = object({
  name,
  pathRegex: optional(text()),
  methods: optional(list(name)),
  headers: optional(list(headerMatch())),
});

function headerMatch(): Check {
  return (value, path, problems) => {
    const pair = Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string');
    if (!pair) problems.push(`${path} must be a pair of texts, ["name", "regex"]`);
  };
}

const workload = object({
  type: literal('workload'),
  key: literal('workload'),
  trustDomain: name,
  identity,
  labels,
  opaquePorts: list(port),
});

const inbound = object({
  type: literal('inbound'),
  key: literal('inbound'),
  mode: literal('deny', 'permissive', 'audit'),
  ports: list(object({ number: port, protocol })),
  rules: list(
    object({
      name,
      principals: list(identity),
      pods: optional(list(name)),
      ports: optional(list(port)),
      http: optional(list(httpMatch)),
    }),
  ),
  probes: list(object({ type: literal('http', 'tcp', 'grpc'), port, path: optional(text()) })),
});

const backend = object({
  namespace: name,
  service: name,
  port,
  weight: integer(0, Number.MAX_SAFE_INTEGER),
  endpoints: text('a key, endpoints/NAMESPACE/SERVICE/PORT', (key) => /^endpoints\/[^/]+\/[^/]+\/\d+$/.test(key)),
});

const route = object({
  name,
  matches: optional(list(httpMatch)),
  tcp: flag,
  backends: list(backend),
  policies: list(none('route policies are not known yet')),
});

const service = object({
  type: literal('service'),
  key: text('a key, service/NAMESPACE/NAME', (key) => /^service\/[^/]+\/[^/]+$/.test(key)),
  namespace: name,
  name,
  addresses: list(address),
  hostnames: list(name),
  ports: list(object({ number: port, protocol, routes: list(route) })),
});

const endpoints = object({
  type: literal('endpoints'),
  key: text('a key, endpoints/NAMESPACE/SERVICE/PORT', (key) => /^endpoints\/[^/]+\/[^/]+\/\d+$/.test(key)),
  endpoints: list(object({ address, port, identity: optional(identity), labels: optional(labels) })),
});

const pod = object({
  type: literal('pod'),
  key: text('a key, pod/NAMESPACE/NAME', (key) => /^pod\/[^/]+\/[^/]+$/.test(key)),
  addresses: list(address),
  identity,
  labels,
});

function none(why: string): Check {
  return (_value, path, problems) => void problems.push(`${path}: ${why}`);
}

/** Any resource, told apart by `type`. */
export const resourceCheck: Check = oneOf('type', { workload, inbound, service, endpoints, pod });
