import type { KubeObject } from '../../../conformance/kube.ts';

/**
 * What each published version of an SMI kind can hold (docs/smi.md 1). Objects are kept in the newest form; what an
 * older version cannot hold stays as it was when a client of that version writes.
 */
type Fields = Record<string, unknown>;
type Match = Fields & { readonly name: string };

const isOld = (version: string, last: number) => Number(version.replace('v1alpha', '')) <= last;

export function versionOf({ apiVersion }: Pick<KubeObject, 'apiVersion'>): string {
  return apiVersion.split('/').at(-1) ?? '';
}

/**
 * An object as it is kept.
 * @param before what was kept until now, to take from it what the version written in cannot say
 */
export function kept(object: KubeObject, before: KubeObject | undefined): Fields {
  const version = versionOf(object);
  const old = (before?.['spec'] ?? {}) as Fields;
  switch (object.kind) {
    case 'TrafficTarget': {
      const spec = (
        version === 'v1alpha1'
          ? { destination: object['destination'], rules: object['specs'], sources: object['sources'] }
          : (object['spec'] ?? {})
      ) as Fields;
      if (isOld(version, 2)) return spec;
      const { port } = (old['destination'] ?? {}) as Fields;
      return port === undefined ? spec : { ...spec, destination: { ...(spec['destination'] as Fields), port } };
    }
    case 'HTTPRouteGroup': {
      const flat = (isOld(version, 2) ? { matches: object['matches'] } : (object['spec'] ?? {})) as Fields;
      if (version !== 'v1alpha1') return flat;
      const elders = new Map(((old['matches'] ?? []) as Match[]).map((match) => [match.name, match['headers']]));
      const matches = ((flat['matches'] ?? []) as Match[]).map((match) => {
        const headers = elders.get(match.name);
        return headers === undefined ? match : { ...match, headers };
      });
      return { matches };
    }
    case 'TCPRoute':
      return isOld(version, 3) ? { matches: old['matches'] ?? { ports: [] } } : ((object['spec'] ?? {}) as Fields);
    case 'TrafficSplit': {
      const spec = (object['spec'] ?? {}) as Fields;
      const whole = version === 'v1alpha1' ? { ...spec, backends: wholeBackends(spec['backends']) } : spec;
      return isOld(version, 2) && old['matches'] !== undefined ? { ...whole, matches: old['matches'] } : whole;
    }
    default:
      return (object['spec'] ?? {}) as Fields;
  }
}

/** What a client of that version is shown of a kept object's spec: the fields besides metadata. */
export function shown(kind: string, spec: Fields, version: string): Fields {
  switch (kind) {
    case 'TrafficTarget': {
      const { port, ...destination } = (spec['destination'] ?? {}) as Fields;
      const full = { ...destination, ...(port === undefined || !isOld(version, 2) ? {} : { port }) };
      if (version === 'v1alpha1') return { destination: full, specs: spec['rules'], sources: spec['sources'] };
      return { spec: { ...spec, destination: full } };
    }
    case 'HTTPRouteGroup': {
      if (!isOld(version, 2)) return { spec };
      const matches = (spec['matches'] ?? []) as Match[];
      return { matches: version === 'v1alpha1' ? matches.map(({ headers: _, ...match }) => match) : matches };
    }
    case 'TCPRoute':
      return isOld(version, 2) ? {} : { spec: version === 'v1alpha3' ? {} : spec };
    case 'TrafficSplit': {
      const { matches, ...rest } = spec;
      return { spec: isOld(version, 2) || matches === undefined ? rest : { ...rest, matches } };
    }
    default:
      return { spec };
  }
}

interface Backend {
  readonly service: string;
  readonly weight: unknown;
}

/** Quantities as whole numbers of one scale. */
function wholeBackends(backends: unknown): Backend[] {
  const list = (backends ?? []) as Backend[];
  const values = list.map(({ weight }) => {
    const text = String(weight ?? 0);
    return text.endsWith('m') ? Number(text.slice(0, -1)) / 1000 : Number(text);
  });
  const scale = values.every(Number.isInteger) ? 1 : 1000;
  return list.map((backend, i) => ({ ...backend, weight: Math.round((values[i] ?? 0) * scale) }));
}

const KINDS: readonly (readonly [group: string, kind: string, short: string, since: number])[] = [
  ['access.smi-spec.io', 'TrafficTarget', 'tt', 1],
  ['access.smi-spec.io', 'IdentityBinding', 'ib', 4],
  ['specs.smi-spec.io', 'HTTPRouteGroup', 'htr', 1],
  ['specs.smi-spec.io', 'TCPRoute', 'tr', 1],
  ['specs.smi-spec.io', 'UDPRoute', 'ur', 4],
  ['split.smi-spec.io', 'TrafficSplit', 'ts', 1],
];

/** What discovery says of a group's version. */
export function resourcesOf(group: string, version: string): object[] {
  return KINDS.filter(([own, , , since]) => own === group && !isOld(version, since - 1)).map(([, kind, short]) => ({
    kind,
    name: `${kind.toLowerCase()}s`,
    singularName: kind.toLowerCase(),
    namespaced: true,
    shortNames: [short],
  }));
}
