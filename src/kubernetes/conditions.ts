import { compareDiagnostics, type Diagnostic } from '../base/diagnostic.ts';
import type { Json } from '../spec/json.ts';
import type { SmiObject } from '../spec/read.ts';
import type { UnreadableObject } from '../spec/snapshot.ts';

/** An object with a status of ours. */
export type StatusObject = SmiObject | UnreadableObject;

/** A condition that is false (for Conflicted: true) because of a finding. */
export type FaultyCondition = 'Accepted' | 'ResolvedRefs' | 'Conflicted';

/** metav1.Condition */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

/** How far an object has got: live on `live` of the `of` sidecars that it concerns. */
export interface Progress {
  readonly live: number;
  readonly of: number;
}

/** The same on every kind, so that whoever waits for one need not know which kinds have it. */
const TYPES: readonly FaultyCondition[] = ['Accepted', 'ResolvedRefs', 'Conflicted'];

const FINE: Readonly<Record<FaultyCondition, readonly [reason: string, message: string]>> = {
  Accepted: ['Accepted', 'the mesh has taken this object on'],
  ResolvedRefs: ['ResolvedRefs', 'everything that this object refers to exists'],
  Conflicted: ['NoConflict', 'no other object has precedence over this one'],
};

const NOT_ENFORCED =
  'accepted, not enforced by this version: UDP is not carried by the mesh, so this route grants nothing';

/** As Kubernetes allows; what does not fit is in the Events. */
const MAX_MESSAGE = 2_000;

/** Findings about something that the object names and that is missing, or that it may not name (docs/diagnostics.md). */
const UNRESOLVED = new Set([
  'SMI1107',
  'SMI1108',
  'SMI1112',
  'SMI1115',
  'SMI1202',
  'SMI1203',
  'SMI1204',
  'SMI1209',
  'SMI1210',
  'SMI1211',
  'SMI1605',
]);
/** Findings about another object that has precedence. */
const CONFLICTED = new Set(['SMI1206']);

/** Which condition a finding makes faulty: undefined for what is only worth an Event. */
export function conditionOfFinding({ code, level }: Diagnostic): FaultyCondition | undefined {
  if (level === 'info') return undefined;
  if (UNRESOLVED.has(code)) return 'ResolvedRefs';
  if (CONFLICTED.has(code)) return 'Conflicted';
  return level === 'error' ? 'Accepted' : undefined;
}

/**
 * The conditions that an object should show.
 * @param findings what is to say about this object
 * @param existing the conditions that it shows: a status that stays keeps its lastTransitionTime, and types that are not
 *   Weft's stay untouched
 */
export function conditionsOf(
  object: StatusObject,
  findings: readonly Diagnostic[],
  conditionOf: (diagnostic: Diagnostic) => FaultyCondition | undefined,
  progress: Progress | undefined,
  existing: readonly Condition[],
  now: string,
): Condition[] {
  const wanted: Wanted[] = TYPES.map((type) => {
    const its = findings.filter((finding) => conditionOf(finding) === type);
    return its.length === 0 && 'unreadable' in object ? unknown(type) : judged(object.kind, type, its);
  });
  if ('unreadable' in object) wanted.push({ ...UNREADABLE, type: 'Programmed', status: 'False' });
  else if (progress !== undefined) wanted.push(programmed(object.kind, progress));
  const ours = wanted.map((condition) => {
    const elder = existing.find(({ type }) => type === condition.type);
    return {
      ...condition,
      lastTransitionTime: elder?.status === condition.status ? elder.lastTransitionTime : now,
      observedGeneration: object.metadata.generation,
    };
  });
  const names = new Set<string>([...TYPES, 'Programmed']);
  return [...ours, ...existing.filter(({ type }) => !names.has(type))];
}

type Wanted = Omit<Condition, 'lastTransitionTime' | 'observedGeneration'>;

function judged(kind: SmiObject['kind'], type: FaultyCondition, findings: readonly Diagnostic[]): Wanted {
  const [worst, ...others] = [...findings].sort(compareDiagnostics);
  const faulty = type === 'Conflicted' ? 'True' : 'False';
  if (worst === undefined) {
    const [reason, message] = FINE[type];
    const status = faulty === 'True' ? 'False' : 'True';
    return { type, status, reason, message: kind === 'UDPRoute' && type === 'Accepted' ? NOT_ENFORCED : message };
  }
  const message = [worst, ...others].map((d) => `${sentence(d)}.`).join(' ');
  return { type, status: faulty, reason: worst.code, message: clipped(message) };
}

const UNREADABLE = { reason: 'Unreadable', message: 'the object cannot be read and counts as absent' };

/** Of what cannot be read nobody can say what it refers to. */
function unknown(type: FaultyCondition): Wanted {
  return { ...UNREADABLE, type, status: 'Unknown' };
}

/** An object that no sidecar has yet is not in force: `False` until it concerns one, and all of these have it. */
function programmed(kind: SmiObject['kind'], { live, of }: Progress): Wanted {
  const type = 'Programmed';
  if (kind === 'UDPRoute') return { type, status: 'False', reason: 'NotEnforced', message: NOT_ENFORCED };
  if (of === 0) return { type, status: 'False', reason: 'NoSidecars', message: 'no sidecar needs it now' };
  const done = live >= of;
  const message = `live on ${live} of ${of} sidecars`;
  return { type, status: done ? 'True' : 'False', reason: done ? 'Programmed' : 'Pending', message };
}

/** `spec.backends[1].service: sends ...; fix: create ...` */
export function sentence({ path, message, fix }: Diagnostic): string {
  return `${path === '' || message.startsWith(path) ? '' : `${path}: `}${message}; fix: ${fix}`;
}

function clipped(text: string): string {
  return text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE - 1)}…`;
}

/** The conditions in the status of an object, as the API server sent it. */
export function readConditions(object: Json): Condition[] {
  return (object.at('status').at('conditions').items() ?? []).map(readCondition);
}

function readCondition(condition: Json): Condition {
  const text = (key: string) => condition.at(key).optionalString() ?? '';
  return {
    type: text('type'),
    status: text('status') as Condition['status'],
    reason: text('reason'),
    message: text('message'),
    lastTransitionTime: text('lastTransitionTime'),
    observedGeneration: condition.at('observedGeneration').optionalNumber() ?? 0,
  };
}
