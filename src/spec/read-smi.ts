import { type Json, present, typeName } from './json.ts';
import type {
  HTTPMatch,
  HTTPRouteGroup,
  IdentityBinding,
  IdentitySubject,
  PortMatch,
  TCPRoute,
  TrafficSplit,
  TrafficTarget,
  TrafficTargetRule,
  UDPRoute,
} from './smi.ts';

// Readers of the hub versions. They take more than the CRDs admit, because objects may be older than the CRDs: a kind or
// a method that is unknown is kept and grants nothing. Only what has no meaning at all makes an object unreadable.

/** @param port what older versions say about the destination's port (`conversion/traffic-target.ts`) */
export function readTrafficTargetSpec(spec: Json, port: Json): TrafficTarget['spec'] {
  if (spec.absent) return undefined;
  return present({
    destination: present({ ...readSubject(spec.at('destination')), port: readPort(port) }),
    sources: spec.at('sources').items()?.map(readSubject),
    rules: spec.at('rules').items()?.map(readRule),
  });
}

/** A number; as text, too, since the oldest clients wrote it so. What is no port grants nothing, so it is a problem. */
function readPort(port: Json): number | undefined {
  if (port.absent) return undefined;
  const number = typeof port.value === 'string' && /^\d{1,5}$/.test(port.value) ? Number(port.value) : port.value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 65_535) return number;
  port.complain(`must be a port from 1 to 65535, is ${typeName(port.value)}`);
  return undefined;
}

function readSubject(subject: Json): IdentitySubject {
  return present({
    kind: subject.at('kind').string(),
    name: subject.at('name').string(),
    namespace: subject.at('namespace').optionalString(),
  });
}

function readRule(rule: Json): TrafficTargetRule {
  return present({
    kind: rule.at('kind').string(),
    name: rule.at('name').string(),
    matches: rule.at('matches').strings(),
  });
}

export function readIdentityBindingSpec(spec: Json): IdentityBinding['spec'] {
  if (spec.absent) return undefined;
  const schemes = spec.at('schemes');
  if (schemes.absent) return {};
  const selector = schemes.at('podLabelSelector');
  if (!selector.at('matchExpressions').absent) selector.complain('matchExpressions is not a way to select pods here');
  const matchLabels = selector.at('matchLabels');
  const labels = matchLabels.stringMap();
  return {
    schemes: present({
      // an empty selector would select every pod; Go clients write it where they mean none (`smi.md` 1.2)
      podLabelSelector: labels.size === 0 ? undefined : { matchLabels: labels },
      spiffeIdentities: schemes.at('spiffeIdentities').strings(),
      serviceAccount: schemes.at('serviceAccount').optionalString() || undefined,
    }),
  };
}

export function readHTTPRouteGroupSpec(spec: Json): HTTPRouteGroup['spec'] {
  if (spec.absent) return undefined;
  return present({ matches: spec.at('matches').items()?.map(readHTTPMatch) });
}

function readHTTPMatch(match: Json): HTTPMatch {
  return present({
    name: match.at('name').optionalString() ?? '', // only the SDK's CRD asks for it (`smi.md` 1.3)
    pathRegex: match.at('pathRegex').optionalString(),
    methods: match.at('methods').strings(),
    headers: readHeaders(match.at('headers')),
  });
}

/** A map, or a list of single-key maps (`smi.md` H15): (lower-cased name, regex), all of which must match. */
function readHeaders(headers: Json): HTTPMatch['headers'] {
  if (headers.absent) return undefined;
  const maps = Array.isArray(headers.value) ? (headers.items() ?? []) : [headers];
  return maps.flatMap((map) => map.entries().map(([name, regex]) => [name.toLowerCase(), readRegex(regex)] as const));
}

function readRegex(regex: Json): string {
  if (typeof regex.value === 'string') return regex.value;
  regex.complain(`must be a regular expression in quotes, is ${typeName(regex.value)}`);
  return '';
}

export function readPortRouteSpec(spec: Json): TCPRoute['spec'] & UDPRoute['spec'] {
  if (spec.absent) return undefined;
  const matches = spec.at('matches');
  return present({ matches: matches.absent ? undefined : readPortMatch(matches) });
}

function readPortMatch(match: Json): PortMatch {
  return present({
    name: match.at('name').optionalString(),
    ports: match
      .at('ports')
      .items()
      ?.map((port) => port.number()),
  });
}

export function readTrafficSplitSpec(spec: Json): TrafficSplit['spec'] {
  if (spec.absent) return undefined;
  return present({
    service: spec.at('service').string(),
    backends: spec
      .at('backends')
      .items()
      ?.map((b) => ({ service: b.at('service').string(), weight: b.at('weight').number() })),
    matches: spec
      .at('matches')
      .items()
      ?.map((m) => ({ kind: m.at('kind').string(), name: m.at('name').string() })),
  });
}
