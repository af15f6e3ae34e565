import type {
  AccessRule,
  Backend,
  Endpoint,
  EndpointsResource,
  HttpMatch,
  InboundPort,
  InboundProbe,
  InboundResource,
  PodResource,
  Resource,
  Route,
  ServicePort,
  ServiceResource,
  WorkloadLabels,
  WorkloadResource,
} from '../mesh/resources.ts';

/** Checks a value at a path and throws when it is not what it must be. */
type Check = (value: unknown, path: string) => void;

/** One check per field. The type makes a field that is added to the data an error here until it is known. */
type Shape<T> = { readonly [K in keyof Required<T>]: Check };

/**
 * Reads a resource that came from the stream or from a disk. Strict in both directions: what this proxy does not know
 * it must refuse and not ignore, since a rule that is silently dropped may be the one that protects something.
 * @throws Error with the key and the path of what is wrong
 */
export function readResource(value: unknown): Resource {
  const type = (value as { readonly type?: unknown } | null)?.type;
  const key = String((value as { readonly key?: unknown } | null)?.key).slice(0, 300);
  const check = typeof type === 'string' ? RESOURCES.get(type) : undefined;
  if (check === undefined) throw new Error(`${key}: resource type ${JSON.stringify(type)} is not known to this proxy`);
  check(value, key);
  return value as Resource;
}

const text: Check = (value, path) => {
  if (typeof value !== 'string') fail(path, 'a string', value);
};
const flag: Check = (value, path) => {
  if (typeof value !== 'boolean') fail(path, 'true or false', value);
};
const port: Check = (value, path) => {
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 65_535) fail(path, 'a port', value);
};
const weight: Check = (value, path) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) fail(path, 'a non-negative integer', value);
};

function oneOf(...values: readonly string[]): Check {
  return (value, path) => {
    if (!values.includes(value as string)) fail(path, `one of ${values.join(', ')}`, value);
  };
}

function optional(check: Check): Check {
  return (value, path) => {
    if (value !== undefined) check(value, path);
  };
}

function list(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) return fail(path, 'a list', value);
    for (const [i, item] of value.entries()) check(item, `${path}[${i}]`);
  };
}

function object<T>(shape: Shape<T>): Check {
  const fields = new Map<string, Check>(Object.entries(shape));
  return (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(path, 'an object', value);
    for (const name of Object.keys(value)) {
      if (!fields.has(name)) throw new Error(`${path}.${name.slice(0, 100)}: this proxy does not know this field`);
    }
    for (const [name, check] of fields) check((value as Readonly<Record<string, unknown>>)[name], `${path}.${name}`);
  };
}

function fail(path: string, expected: string, found: unknown): never {
  throw new Error(`${path}: expected ${expected}, found ${JSON.stringify(found)?.slice(0, 100)}`);
}

const protocol = oneOf('detect', 'http1', 'http2', 'tcp');

const labels = object<WorkloadLabels>({
  namespace: text,
  pod: text,
  serviceAccount: text,
  ownerKind: text,
  owner: text,
});

const header: Check = (value, path) => {
  list(text)(value, path);
  if ((value as unknown[]).length !== 2) fail(path, 'a name and a pattern', value);
};

const match = object<HttpMatch>({
  name: text,
  pathRegex: optional(text),
  methods: optional(list(text)),
  headers: optional(list(header)),
});

const workload = object<WorkloadResource>({
  type: oneOf('workload'),
  key: oneOf('workload'),
  trustDomain: text,
  identity: text,
  labels,
  opaquePorts: list(port),
});

const inbound = object<InboundResource>({
  type: oneOf('inbound'),
  key: oneOf('inbound'),
  mode: oneOf('deny', 'permissive', 'audit'),
  ports: list(object<InboundPort>({ number: port, protocol })),
  rules: list(
    object<AccessRule>({
      name: text,
      principals: list(text),
      pods: optional(list(text)),
      ports: optional(list(port)),
      http: optional(list(match)),
    }),
  ),
  probes: list(object<InboundProbe>({ type: oneOf('http', 'tcp', 'grpc'), port, path: optional(text) })),
});

const backend = object<Backend>({ namespace: text, service: text, port, weight, endpoints: text });

const route = object<Route>({
  name: text,
  matches: optional(list(match)),
  tcp: flag,
  backends: list(backend),
  policies: list((value, path) => fail(path, 'no policy: this proxy knows none', value)),
});

const service = object<ServiceResource>({
  type: oneOf('service'),
  key: text,
  namespace: text,
  name: text,
  addresses: list(text),
  hostnames: list(text),
  ports: list(object<ServicePort>({ number: port, protocol, routes: list(route) })),
});

const endpoints = object<EndpointsResource>({
  type: oneOf('endpoints'),
  key: text,
  endpoints: list(object<Endpoint>({ address: text, port, identity: optional(text), labels: optional(labels) })),
});

const pod = object<PodResource>({ type: oneOf('pod'), key: text, addresses: list(text), identity: text, labels });

const RESOURCES: ReadonlyMap<string, Check> = new Map([
  ['workload', workload],
  ['inbound', inbound],
  ['service', service],
  ['endpoints', endpoints],
  ['pod', pod],
]);
