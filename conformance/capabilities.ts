import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** What the suite must know about a mesh that it cannot see through the Kubernetes API. See docs/conformance.md. */
export interface Capabilities {
  readonly mesh: string;
  /** What a case may need: it is skipped, and counted, where the mesh has it not. */
  readonly has: Readonly<Record<Need, boolean>>;
  /** How a namespace is put into the mesh and told how strict to be. */
  readonly namespaces: Readonly<Record<'deny' | 'permissive' | 'unmeshed', Marks>>;
  /** Annotations of a pod whose connections to port 8083 leave without passing its own sidecar. */
  readonly bypass: Marks;
  readonly clusterDomain: string;
  /** Headers in which a mesh might take an identity from the wire; `{namespace}` and `{serviceAccount}` are filled in. */
  readonly forgedHeaders: Readonly<Record<string, string>>;
  /** Versions that the objects of the cases are written in. */
  readonly versions: Readonly<Record<'access' | 'specs' | 'split', string>>;
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

/** `capture`: all traffic of a pod is captured. `clusterIP`: unmeshed pods reach Services. `events`: findings become Events. */
export const NEEDS = ['capture', 'clusterIP', 'events'] as const;
export type Need = (typeof NEEDS)[number];

const DEFAULTS: Capabilities = {
  mesh: '',
  has: { capture: true, clusterIP: true, events: true },
  namespaces: { deny: {}, permissive: {}, unmeshed: {} },
  bypass: {},
  clusterDomain: 'cluster.local',
  forgedHeaders: {},
  versions: { access: 'v1alpha3', specs: 'v1alpha4', split: 'v1alpha4' },
  propagationSeconds: 10,
  stableSeconds: 5,
  notClaimed: {},
};

/** Reads a capability file; `name` is for messages. Throws one Error that lists everything that is wrong with it. */
export function parseCapabilities(text: string, name: string): Capabilities {
  const problems: string[] = [];
  const given: unknown = parse(text, { maxAliasCount: 10 });
  if (!isMap(given)) throw new Error(`${name}: expected a map of capabilities (docs/conformance.md lists them)`);
  for (const key of Object.keys(given))
    if (!(key in DEFAULTS)) problems.push(`${key} is not a capability; known are ${Object.keys(DEFAULTS).join(', ')}`);
  if (typeof given['mesh'] !== 'string') problems.push('mesh must name the mesh');
  for (const key of ['propagationSeconds', 'stableSeconds'])
    if (given[key] !== undefined && !(Number(given[key]) >= 0)) problems.push(`${key} must be a number of seconds`);
  for (const key of ['has', 'namespaces', 'bypass', 'forgedHeaders', 'versions', 'notClaimed'] as const) {
    const value = given[key];
    if (value === undefined) continue;
    if (!isMap(value)) problems.push(`${key} must be a map`);
    else if (key === 'has' || key === 'namespaces' || key === 'versions')
      for (const inner of Object.keys(value))
        if (!(inner in DEFAULTS[key]))
          problems.push(`${key}.${inner} is unknown; known are ${Object.keys(DEFAULTS[key]).join(', ')}`);
  }
  if (problems.length > 0) throw new Error(`${name}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  const merged = { ...DEFAULTS, ...given } as Capabilities;
  return {
    ...merged,
    has: { ...DEFAULTS.has, ...merged.has },
    namespaces: { ...DEFAULTS.namespaces, ...merged.namespaces },
    versions: { ...DEFAULTS.versions, ...merged.versions },
  };
}

/** The file that describes Weft. */
export const WEFT_CAPABILITIES = new URL('capabilities/weft.yaml', import.meta.url);

export function readCapabilities(file: string | URL): Capabilities {
  return parseCapabilities(readFileSync(file, 'utf8'), String(file));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
