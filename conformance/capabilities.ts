import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { ConditionName } from './case.ts';

/** What the suite must know about a mesh that it cannot see through the Kubernetes API. See docs/conformance.md. */
export interface Capabilities {
  readonly mesh: string;
  /** What a case may need: it is skipped, and counted, where the mesh has it not. */
  readonly has: Readonly<Record<Has, boolean>>;
  /** How a namespace is put into the mesh and told how strict to be. */
  readonly namespaces: Readonly<Record<'deny' | 'permissive' | 'unmeshed', Marks>>;
  /** Annotations of a pod whose connections to port 8083 leave without passing its own sidecar. */
  readonly bypass: Marks;
  readonly clusterDomain: string;
  /** Headers in which a mesh might take an identity from the wire; `{namespace}` and `{serviceAccount}` are filled in. */
  readonly forgedHeaders: Readonly<Record<string, string>>;
  /** Versions that the objects of the cases are written in, where a case does not say otherwise. */
  readonly versions: Readonly<Record<ApiGroup, string>>;
  /** Versions that the mesh claims to serve. */
  readonly served: Readonly<Record<ApiGroup, readonly string[]>>;
  /** The SPIFFE ID of a workload; `{namespace}` and `{serviceAccount}` are filled in. */
  readonly spiffeId: string;
  /** `namespace/name` of the Deployments that are the control plane: scaled to zero, it is stopped. */
  readonly controlPlane: readonly string[];
  /** A command that ends the proxy of a pod, so that it is started again, and the container to run it in. */
  readonly restartProxy: { readonly container: string; readonly command: readonly string[] } | undefined;
  /** Types of the conditions in the status of SMI objects, by what they say. */
  readonly conditions: Readonly<Partial<Record<ConditionName, string>>>;
  /** How long a change may take to reach the proxies, and how long the result is then watched. */
  readonly propagationSeconds: number;
  readonly stableSeconds: number;
  /** Case id or check number -> why the mesh does not claim it. */
  readonly notClaimed: Readonly<Record<string, string>>;
}

export interface Marks {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export type ApiGroup = 'access' | 'specs' | 'split';

/** What a case may need of a mesh. The first few stand under `has`; the rest follows from other fields of the file. */
export const NEEDS = {
  capture: 'all traffic of a pod is captured',
  clusterIP: 'pods outside the mesh reach Services by name',
  events: 'findings become Events, or conditions of the object',
  crds: 'the suite may choose which version the CRDs store',
  udp: 'UDP is carried and judged',
  ingress: 'the mesh has a gateway for traffic from outside',
  controlPlane: 'the control plane can be stopped and started',
  proxyRestart: 'the proxy of a pod can be restarted',
  conditions: 'SMI objects have conditions',
} as const;
export type Need = keyof typeof NEEDS;
type Has = Exclude<Need, 'controlPlane' | 'proxyRestart' | 'conditions'>;

const PUBLISHED = ['v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4'];

const DEFAULTS: Capabilities = {
  mesh: '',
  has: { capture: true, clusterIP: true, events: true, crds: false, udp: false, ingress: false },
  namespaces: { deny: {}, permissive: {}, unmeshed: {} },
  bypass: {},
  clusterDomain: 'cluster.local',
  forgedHeaders: {},
  versions: { access: 'v1alpha3', specs: 'v1alpha4', split: 'v1alpha4' },
  served: { access: PUBLISHED, specs: PUBLISHED, split: PUBLISHED },
  spiffeId: 'spiffe://cluster.local/ns/{namespace}/sa/{serviceAccount}',
  controlPlane: [],
  restartProxy: undefined,
  conditions: {},
  propagationSeconds: 10,
  stableSeconds: 5,
  notClaimed: {},
};

/** Reads a capability file; `name` is for messages. Throws one Error that lists everything that is wrong with it. */
export function parseCapabilities(text: string, name: string): Capabilities {
  let given: unknown;
  try {
    given = parse(text, { maxAliasCount: 10 });
  } catch (error) {
    throw new Error(`${name}: not YAML: ${(error as Error).message}`);
  }
  if (!isMap(given)) throw new Error(`${name}: expected a map of fields (docs/conformance.md lists them)`);
  const problems = problemsOf(given);
  if (problems.length > 0) throw new Error(`${name}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  const merged = { ...DEFAULTS, ...given } as Capabilities;
  const full = {
    ...merged,
    has: { ...DEFAULTS.has, ...merged.has },
    namespaces: { ...DEFAULTS.namespaces, ...merged.namespaces },
    versions: { ...DEFAULTS.versions, ...merged.versions },
    served: { ...DEFAULTS.served, ...merged.served },
  };
  const unserved = Object.entries(full.versions).filter(
    ([group, version]) => !full.served[group as ApiGroup].includes(version),
  );
  for (const [group, version] of unserved)
    throw new Error(
      `${name}:\n  versions.${group}: cases cannot be written in ${version}, which is not among served.${group}`,
    );
  return full;
}

/** What is wrong with a value, as the end of a sentence that its path begins; undefined when nothing is. */
type Check = (value: unknown) => string | readonly string[] | undefined;

const text: Check = (value) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text');
const yesOrNo: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false');
const seconds: Check = (value) =>
  typeof value === 'number' && value >= 0 && value <= 3600 ? undefined : 'must be a number of seconds, 3600 at most';
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) ? value.flatMap((item, i) => at(`[${i}]`, check(item))) : 'must be a list';
/** A map whose keys are free. */
const mapOf =
  (check: Check): Check =>
  (value) =>
    isMap(value) ? Object.entries(value).flatMap(([key, item]) => at(`.${key}`, check(item))) : 'must be a map';
/** A map whose keys are known. */
const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (!isMap(value)) return 'must be a map';
    return Object.entries(value).flatMap(([key, item]) => {
      const check = checks[key];
      const known = Object.keys(checks).join(', ');
      return at(`.${key}`, check === undefined ? `is unknown; known are ${known}` : check(item));
    });
  };
const each = (keys: readonly string[], check: Check): Check =>
  fields(Object.fromEntries(keys.map((key) => [key, check])));

const GROUP_NAMES: readonly ApiGroup[] = ['access', 'specs', 'split'];
const marks = each(['labels', 'annotations'], mapOf(text));
const version: Check = (value) =>
  PUBLISHED.includes(String(value)) ? undefined : `must be one of ${PUBLISHED.join(', ')}`;
const deployment: Check = (value) =>
  /^[^/\s]+\/[^/\s]+$/.test(String(value)) ? undefined : 'must be a Deployment as namespace/name';
const LAST_CHECK = 115;

const CHECKS: Readonly<Record<keyof Capabilities, Check>> = {
  mesh: text,
  has: each(Object.keys(DEFAULTS.has), yesOrNo),
  namespaces: each(Object.keys(DEFAULTS.namespaces), marks),
  bypass: marks,
  clusterDomain: text,
  forgedHeaders: mapOf(text),
  versions: each(GROUP_NAMES, version),
  served: each(GROUP_NAMES, list(version)),
  spiffeId: (value) =>
    /^spiffe:\/\/.*\{namespace\}.*\{serviceAccount\}/.test(String(value))
      ? undefined
      : 'must be a SPIFFE ID with {namespace} and {serviceAccount} in it',
  controlPlane: list(deployment),
  restartProxy: (value) =>
    isMap(value) && (value['container'] === undefined || value['command'] === undefined)
      ? 'needs a container and a command'
      : fields({ container: text, command: list(text) })(value),
  conditions: each(['accepted', 'resolved', 'conflicted', 'programmed'], text),
  propagationSeconds: seconds,
  stableSeconds: seconds,
  notClaimed: (value) =>
    isMap(value) ? Object.entries(value).flatMap(([key, why]) => at(`.${key}`, notClaimed(key, why))) : 'must be a map',
};

function notClaimed(key: string, why: unknown): ReturnType<Check> {
  if (/^\d+$/.test(key) ? Number(key) < 1 || Number(key) > LAST_CHECK : !/^[A-Z]{2,3}-\d+[a-z]?$/.test(key))
    return `is neither the number of a check (1 to ${LAST_CHECK}) nor the id of a case`;
  return text(why) === undefined ? undefined : 'must say why';
}

function problemsOf(given: Readonly<Record<string, unknown>>): readonly string[] {
  const found = fields(CHECKS)(given);
  const problems = typeof found === 'string' ? [found] : (found ?? []);
  return [
    ...(given['mesh'] === undefined ? ['mesh must name the mesh'] : []),
    ...problems.map((problem) => problem.replace(/^\./, '')),
  ];
}

/** Puts a path before what is wrong there. */
function at(path: string, problem: ReturnType<Check>): readonly string[] {
  if (problem === undefined) return [];
  return typeof problem === 'string' ? [`${path} ${problem}`] : problem.map((inner) => `${path}${inner}`);
}

/** The file that describes Weft. */
export const WEFT_CAPABILITIES = new URL('capabilities/weft.yaml', import.meta.url);

export function readCapabilities(file: string | URL): Capabilities {
  return parseCapabilities(readFileSync(file, 'utf8'), String(file));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
