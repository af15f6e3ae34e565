import type { Diagnostic } from '../base/diagnostic.ts';
import { judgeAlone } from '../compile/judge.ts';
import type { CompileOptions } from '../compile/options.ts';
import { isObject, type JsonObject } from '../spec/conversion/json-object.ts';
import { KEPT_NEWER } from '../spec/conversion/kept.ts';
import { readSmiObject } from '../spec/read.ts';

/**
 * Findings for which an object is refused, besides those of level error that its schema would let pass: each is a row of
 * `smi.md` 2.7. Everything else that is found is a warning: it is admitted, and has the effect that the warning says.
 */
const REFUSED: ReadonlySet<string> = new Set([
  'SMI0001', // a field that cannot be read
  'SMI1102', // A3
  'SMI1109', // the rule's kind
  'SMI1207', // S22
  'SMI1210', // S1, S21
  'SMI1212', // the kind of a match
  'SMI1301', // H3, H12
  'SMI1302',
  'SMI1304', // H11
  'SMI1305', // H10
  'SMI1401', // a number that is no port
  'SMI1601', // no scheme at all
  'SMI1602', // podLabelSelector and serviceAccount together
]);
/** In access v1alpha4 the published schema says which kinds an identity may be of; before, it was free text. */
const REFUSED_IN: Readonly<Record<string, string>> = { SMI1103: 'access.smi-spec.io/v1alpha4' };
const MAX_CAUSES = 20;
/** API servers cut warnings after 256 characters, and drop them all beyond 4096. */
const MAX_WARNING = 250;
const MAX_WARNINGS = 15;

/**
 * Answers an AdmissionReview of admission.k8s.io/v1 about an SMI object. A pure function of what it is given, since anybody
 * in the cluster may call it; never throws. What an object was admitted with before is no reason to refuse a change of
 * something else: finalizers, labels and status have to stay writable.
 */
export function admissionReview(review: unknown, options: CompileOptions = {}): JsonObject {
  const request = isObject(review) && isObject(review['request']) ? review['request'] : {};
  const { uid = '', object, oldObject, operation } = request;
  const judged = operation === 'CREATE' || operation === 'UPDATE' ? verdict(object, oldObject, options) : ADMITTED;
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, ...judged } };
}

const ADMITTED: JsonObject = { allowed: true };

function verdict(object: unknown, oldObject: unknown, options: CompileOptions): JsonObject {
  if (!isObject(object) || isBeingDeleted(object)) return ADMITTED;
  const found = findings(object, options);
  const before = isObject(oldObject) ? new Set(findings(oldObject, options).map(identityOf)) : new Set<string>();
  const refused = found.filter((finding) => isRefused(finding, object) && !before.has(identityOf(finding)));
  if (refused.length > 0) return refusal(refused, object);
  const warnings = [
    ...found.filter(({ level }) => level !== 'info').map((finding) => sentence(finding, object)),
    ...(isObject(oldObject) ? lostFields(object, oldObject) : []),
  ];
  if (warnings.length === 0) return ADMITTED;
  return { allowed: true, warnings: warnings.slice(0, MAX_WARNINGS).map(clipped) };
}

function refusal(refused: readonly Diagnostic[], object: JsonObject): JsonObject {
  const causes = refused.slice(0, MAX_CAUSES).map((finding) => ({
    reason: 'FieldValueInvalid',
    field: pathIn(finding.path, object),
    message: `${finding.message}; fix: ${finding.fix} (${finding.code})`,
  }));
  const message = causes.map(({ field, message }) => `${field === '' ? '' : `${field}: `}${message}`).join('. ');
  return {
    allowed: false,
    status: { status: 'Failure', code: 422, reason: 'Invalid', message, details: { causes } },
  };
}

function findings(object: JsonObject, options: CompileOptions): readonly Diagnostic[] {
  const { object: read, diagnostics } = readSmiObject(object);
  return [...diagnostics, ...(read === undefined ? [] : judgeAlone(read, options)), ...tooNew(object)];
}

/** UDPRoute came with access v1alpha3. Schemas admit it everywhere, so that older clients can edit newer targets. */
function tooNew(object: JsonObject): Diagnostic[] {
  const { apiVersion } = object;
  const older = apiVersion === 'access.smi-spec.io/v1alpha1' || apiVersion === 'access.smi-spec.io/v1alpha2';
  if (!older || object['kind'] !== 'TrafficTarget') return [];
  const spec = isObject(object['spec']) ? object['spec'] : {};
  const rules: unknown = apiVersion.endsWith('1') ? object['specs'] : spec['rules'];
  if (!Array.isArray(rules)) return [];
  return rules.flatMap((rule: unknown, i): Diagnostic[] => {
    if (!isObject(rule) || rule['kind'] !== 'UDPRoute') return [];
    return [
      {
        code: 'SMI0009',
        level: 'error',
        object: { apiVersion, kind: 'TrafficTarget', namespace: '', name: '' },
        path: `spec.rules[${i}].kind`,
        message: `UDPRoute is no kind of rule in ${apiVersion}`,
        fix: 'write the target in access.smi-spec.io/v1alpha3 or newer',
      },
    ];
  });
}

function isRefused({ code }: Diagnostic, { apiVersion }: JsonObject): boolean {
  return REFUSED.has(code) || code === 'SMI0009' || (REFUSED_IN[code] !== undefined && REFUSED_IN[code] === apiVersion);
}

/** An update that replaces all of an object in an older version takes away what that version cannot show. */
function lostFields(object: JsonObject, oldObject: JsonObject): string[] {
  const kept = annotation(oldObject, KEPT_NEWER);
  if (kept === undefined || annotation(object, KEPT_NEWER) !== undefined) return [];
  return [
    `the annotation ${KEPT_NEWER} was removed, and with it what ${String(object['apiVersion'])} cannot show of this object (${kept}); fix: keep the annotation, or write the object in its newest version`,
  ];
}

function annotation({ metadata }: JsonObject, name: string): string | undefined {
  const annotations = isObject(metadata) && isObject(metadata['annotations']) ? metadata['annotations'] : {};
  const value = Object.hasOwn(annotations, name) ? annotations[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}

function isBeingDeleted({ metadata }: JsonObject): boolean {
  return isObject(metadata) && typeof metadata['deletionTimestamp'] === 'string';
}

function identityOf({ code, path, message }: Diagnostic): string {
  return JSON.stringify([code, path, message]);
}

function sentence({ path, message, fix, code }: Diagnostic, object: JsonObject): string {
  const field = pathIn(path, object);
  return `${field === '' || message.startsWith(field) ? '' : `${field}: `}${message}; fix: ${fix} (${code})`;
}

/** Findings are about the hub version; the client wrote, and knows, the fields of its own. */
function pathIn(path: string, { apiVersion, kind }: JsonObject): string {
  const version = typeof apiVersion === 'string' ? apiVersion.split('/').at(-1) : undefined;
  const flat =
    (kind === 'TrafficTarget' && version === 'v1alpha1') ||
    (kind === 'HTTPRouteGroup' && (version === 'v1alpha1' || version === 'v1alpha2'));
  return flat ? path.replace(/^spec\.rules/, 'specs').replace(/^spec\./, '') : path;
}

function clipped(text: string): string {
  return text.length <= MAX_WARNING ? text : `${text.slice(0, MAX_WARNING - 1)}…`;
}
