import { isDeepStrictEqual } from 'node:util';
import { API_GROUPS, type KindNames, type Step } from './case.ts';
import type { ApiGroup } from './capabilities.ts';
import type { Lab } from './lab.ts';
import { messageOf, pathOf, type KubeObject, type KubeReply } from './kube.ts';

/** Steps that are about objects and the API server that holds them, not about traffic. */
export type ObjectStep = Exclude<
  Step,
  | { readonly apply: unknown }
  | { readonly remove: unknown }
  | { readonly pods: unknown }
  | { readonly expect: unknown }
  | { readonly pauseMs: unknown }
  | { readonly passed: unknown }
  | { readonly play: unknown }
>;

export async function objectStep(lab: Lab, step: ObjectStep): Promise<void> {
  if ('admission' in step) return admission(lab, step);
  if ('refusedOrWarned' in step) return refusedOrWarned(lab, step.refusedOrWarned, step.mentions);
  if ('refusedOrEvent' in step) return refusedOrEvent(lab, step.refusedOrEvent, step.mentions);
  if ('event' in step) return event(lab, step.event, step.mentions);
  if ('condition' in step) return condition(lab, step);
  if ('patch' in step) return patch(lab, step);
  if ('rewrite' in step) return rewrite(lab, lab.objectAs(step.rewrite, step.as));
  if ('read' in step) return read(lab, lab.objectAs(step.read, step.as), lab.filled(step.holds));
  if ('weights' in step) return weights(lab, step);
  if ('everyVersion' in step) return everyVersion(lab, step.everyVersion);
  if ('absent' in step) return absent(lab, step.absent);
  if ('kinds' in step) return kinds(lab, step.kinds);
  if ('versions' in step) return versions(lab, step.versions);
  return column(lab, step.column);
}

/** 400, 403 (a webhook) or 422: a verdict about the object, unlike 404 or 500. */
function isRefusal(code: number): boolean {
  return code === 400 || code === 403 || code === 422;
}

async function admission(lab: Lab, step: Extract<Step, { admission: KubeObject }>): Promise<void> {
  const object = lab.object(step.admission);
  const reply = await lab.kube.create(object, step.strict);
  if (reply.code < 300) await lab.kube.remove(object);
  const { apiVersion: _v, kind, metadata: _m, ...content } = object;
  const text = `create ${object.apiVersion} ${kind} ${JSON.stringify(content)}: ${reply.code} ${reply.code < 300 ? '' : messageOf(reply)}`;
  lab.check(step.is === 'admitted' ? reply.code < 300 : isRefusal(reply.code), `${text} (expected: ${step.is})`);
  if (step.mentions === undefined) return;
  lab.check(messageOf(reply).includes(step.mentions), `the refusal names ${step.mentions}: ${messageOf(reply)}`);
}

async function refusedOrWarned(lab: Lab, given: KubeObject, mentions: string): Promise<void> {
  const object = lab.object(given);
  const reply = await lab.kube.create(object);
  if (reply.code < 300) await lab.kube.remove(object);
  const said = isRefusal(reply.code) ? messageOf(reply) : reply.warnings.join(' / ');
  const text = `create ${object.kind}: ${reply.code} ${said} (expected: a refusal or a warning that mentions ${mentions})`;
  lab.check(said.toLowerCase().includes(mentions.toLowerCase()), text);
}

async function refusedOrEvent(lab: Lab, given: KubeObject, mentions: string): Promise<void> {
  const object = lab.object(given);
  const reply = await lab.kube.create(object);
  if (isRefusal(reply.code)) return lab.check(true, `${object.kind} is refused: ${messageOf(reply)}`);
  lab.check(reply.code < 300, `create ${object.kind}: ${reply.code} ${messageOf(reply)}`);
  await lab.apply([given]); // so that it is removed with the others
  await event(lab, given, mentions);
}

interface EventView {
  readonly involvedObject?: { readonly kind?: string; readonly name?: string };
  readonly reason?: string;
  readonly message?: string;
}

/** Waits for an Event about the object, or a condition in its status, that mentions a text. */
async function event(lab: Lab, given: KubeObject, mentions: string): Promise<void> {
  if (!lab.capabilities.has.events) {
    lab.evidence.push(`not looked for (capability events): an Event about ${given.kind} that mentions ${mentions}`);
    return;
  }
  const { kind, metadata, ...rest } = lab.object(given);
  const wanted = lab.text(mentions);
  await lab.eventually(async () => {
    const { body } = await lab.kube.get(`/api/v1/namespaces/${metadata.namespace}/events`);
    const about = ((body as { items?: EventView[] }).items ?? []).filter(
      ({ involvedObject }) => involvedObject?.kind === kind && involvedObject.name === metadata.name,
    );
    const read = await lab.kube.get(pathOf({ kind, metadata, ...rest }));
    const status = JSON.stringify((read.body as { status?: unknown }).status ?? {});
    const messages = [...about.map(({ reason, message }) => `${reason}: ${message}`), status];
    const found = messages.find((message) => message.toLowerCase().includes(wanted.toLowerCase()));
    const text = `an Event about ${kind} ${metadata.name} mentions ${wanted}`;
    if (found !== undefined) lab.evidence.push(`${text}: ${found}`);
    return [{ holds: found !== undefined, text: `${text}; there are: ${messages.join(' / ')}` }];
  });
}

async function kinds(lab: Lab, wanted: readonly KindNames[]): Promise<void> {
  for (const { group, kind, plural, singular, short, version } of wanted) {
    const path = `/apis/${API_GROUPS[group]}/${version ?? lab.capabilities.versions[group]}`;
    const { body } = await lab.kube.get(path);
    const resources = (body as { resources?: Record<string, unknown>[] }).resources ?? [];
    const found = resources.find((resource) => resource['kind'] === kind && !String(resource['name']).includes('/'));
    const names = JSON.stringify(found ?? null);
    const holds =
      found?.['name'] === plural &&
      found['singularName'] === singular &&
      found['namespaced'] === true &&
      (found['shortNames'] as unknown[] | undefined)?.includes(short) === true;
    lab.check(holds, `${path} lists ${kind} as ${plural}, ${singular}, ${short}, namespaced: ${names}`);
  }
}

async function column(lab: Lab, { of, name, value }: { of: KubeObject; name: string; value: string }): Promise<void> {
  await lab.apply([of]);
  const { body } = await lab.kube.request(
    'GET',
    pathOf(lab.object(of)),
    undefined,
    undefined,
    'application/json;as=Table;v=v1;g=meta.k8s.io',
  );
  const table = body as { columnDefinitions?: { name: string }[]; rows?: { cells: unknown[] }[] };
  const index = table.columnDefinitions?.findIndex((definition) => definition.name === name) ?? -1;
  const cell = table.rows?.[0]?.cells[index];
  const wanted = lab.text(value);
  lab.check(cell === wanted, `column ${name} shows ${JSON.stringify(cell)}, expected ${JSON.stringify(wanted)}`);
}

interface ConditionView {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
  readonly observedGeneration?: number;
}

async function condition(lab: Lab, step: Extract<Step, { condition: KubeObject }>): Promise<void> {
  const type = lab.capabilities.conditions[step.name];
  if (type === undefined) throw new Error(`the capability file names no condition for ${step.name}`);
  const object = lab.object(step.condition);
  const [status, wanted] = [step.is ? 'True' : 'False', lab.text(step.mentions ?? '')];
  await lab.eventually(async () => {
    const { body } = await lab.kube.get(pathOf(object));
    const { metadata, status: shown } = body as KubeObject & { status?: { conditions?: readonly ConditionView[] } };
    const found = shown?.conditions?.find((each) => each.type === type);
    const isCurrent = found?.observedGeneration === metadata?.['generation'];
    const holds = found?.status === status && isCurrent && (found.message ?? '').includes(wanted);
    const text = `${object.kind} ${object.metadata.name} has condition ${type} ${status}${wanted && ` that mentions ${wanted}`}`;
    if (holds) lab.evidence.push(`${text}: ${found.message}`);
    return [{ holds, text: `${text}; it has ${JSON.stringify(shown?.conditions ?? [])}` }];
  });
}

async function patch(lab: Lab, step: Extract<Step, { patch: KubeObject }>): Promise<void> {
  const object = step.as === undefined ? lab.object(step.patch) : lab.objectAs(step.patch, step.as);
  const reply = await lab.kube.patch(object, lab.filled(step.with));
  lab.check(
    reply.code < 300,
    `patch ${object.apiVersion} ${object.kind}: ${reply.code} ${reply.code < 300 ? '' : messageOf(reply)}`,
  );
}

/** Reads an object in its version, and writes back what was read. */
async function rewrite(lab: Lab, object: KubeObject): Promise<void> {
  const reply = await writeBack(lab, object);
  const problem = reply.code < 300 ? '' : ` ${messageOf(reply)}`;
  lab.check(reply.code < 300, `write back ${object.apiVersion} ${object.kind} as it was read: ${reply.code}${problem}`);
}

const MOST_CONFLICTS = 10;

/** A mesh that writes status between reading and writing makes a conflict, which every client has to know. */
async function writeBack(lab: Lab, object: KubeObject): Promise<KubeReply> {
  for (let conflicts = 0; ; conflicts++) {
    const reply = await lab.kube.replace(await get(lab, object));
    if (reply.code !== 409 || conflicts === MOST_CONFLICTS) return reply;
    await lab.pause(100);
  }
}

/** A version may refuse what it cannot express, such as a UDPRoute of a target; it must not change it. */
async function rewriteIfItMay(lab: Lab, object: KubeObject): Promise<void> {
  const reply = await writeBack(lab, object);
  const text = `write back ${object.apiVersion} ${object.kind} ${object.metadata.name} as it was read: ${reply.code}`;
  lab.check(reply.code < 300 || isRefusal(reply.code), reply.code < 300 ? text : `${text} ${messageOf(reply)}`);
}

async function get(lab: Lab, object: KubeObject): Promise<KubeObject> {
  const reply = await lab.kube.get(pathOf(object));
  lab.check(
    reply.code === 200,
    `read ${object.apiVersion} ${object.kind}: ${reply.code} ${reply.code === 200 ? '' : messageOf(reply)}`,
  );
  const found = reply.body as KubeObject;
  const text = `its apiVersion is ${found.apiVersion}, expected ${object.apiVersion}`;
  lab.check(found.apiVersion === object.apiVersion && found.kind === object.kind, text);
  return found;
}

async function absent(lab: Lab, objects: readonly KubeObject[]): Promise<void> {
  for (const object of objects.map((each) => lab.object(each))) {
    const { code } = await lab.kube.get(pathOf(object));
    lab.check(code === 404, `${object.kind} ${object.metadata.name} is gone: ${code}`);
  }
}

async function read(lab: Lab, object: KubeObject, holds: object): Promise<void> {
  const found = await get(lab, object);
  const missing = missingIn(found, holds, '');
  const text = `${object.apiVersion} ${object.kind} ${object.metadata.name} reads ${JSON.stringify(contentOf(found))}`;
  lab.check(missing === undefined, missing === undefined ? text : `${missing}; ${text}`);
}

/** Everything of an object but what the API server and Weft's like keep in its metadata. */
function contentOf({ metadata: _m, status: _s, ...content }: KubeObject): object {
  return content;
}

/** Where the actual value lacks something of the expected one: maps may have more, everything else must be equal. */
export function missingIn(actual: unknown, expected: unknown, path: string): string | undefined {
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length)
      return `${path} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`;
    return expected.map((item, i) => missingIn(actual[i], item, `${path}[${i}]`)).find((each) => each !== undefined);
  }
  if (typeof expected !== 'object' || expected === null)
    return actual === expected
      ? undefined
      : `${path} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`;
  const map = (typeof actual === 'object' && actual !== null ? actual : {}) as Record<string, unknown>;
  for (const [key, value] of Object.entries(expected)) {
    const missing = missingIn(map[key], value, path === '' ? key : `${path}.${key}`);
    if (missing !== undefined) return missing;
  }
  return undefined;
}

async function weights(lab: Lab, step: Extract<Step, { weights: KubeObject }>): Promise<void> {
  const object = lab.objectAs(step.weights, step.as);
  const found = (await get(lab, object)) as KubeObject & { spec: { backends: { weight: unknown }[] } };
  const written = found.spec.backends.map(({ weight }) => weight);
  const text = `weights in ${step.as} are ${JSON.stringify(written)}`;
  if (step.as !== 'v1alpha1') lab.check(written.every(Number.isInteger), `${text}, expected whole numbers`);
  const values = written.map(quantity);
  if (step.equal !== undefined)
    lab.check(
      isDeepStrictEqual(values, step.equal),
      `${text}, expected what is equal to ${JSON.stringify(step.equal)}`,
    );
  if (step.ratio === undefined) return;
  const [first = 0, ...others] = step.ratio;
  const holds =
    values.length === step.ratio.length &&
    others.every((other, i) => Math.abs((values[0] ?? 0) * other - (values[i + 1] ?? 0) * first) < 1e-9 * other);
  lab.check(holds && (values[0] ?? 0) > 0, `${text}, expected the ratio ${step.ratio.join(' : ')}`);
}

const SUFFIXES: Readonly<Record<string, number>> = { n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9 };

/** The value of a Kubernetes quantity, as far as weights need it; NaN for what is none. */
export function quantity(written: unknown): number {
  if (typeof written === 'number') return written;
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMG]?)$/.exec(String(written));
  return match === null ? NaN : Number(match[1]) * (SUFFIXES[match[2] ?? ''] ?? NaN);
}

/** What the API server keeps for itself in the metadata of an object that is written again. */
const CHANGES_WITH_WRITES = ['resourceVersion', 'generation', 'managedFields', 'annotations'];

/** Written in its own version, read and written back in every other: at the end it is what it was. */
async function everyVersion(lab: Lab, given: readonly KubeObject[]): Promise<void> {
  for (const each of given) {
    const object = lab.object(each);
    const [name = '', own = ''] = object.apiVersion.split('/');
    const group = name.replace('.smi-spec.io', '') as ApiGroup;
    await lab.apply([each]);
    const before = await get(lab, object);
    for (const version of await versionsWith(lab, group, object.kind)) {
      const other = lab.objectAs(each, version);
      sameMetadata(lab, await get(lab, other), before);
      const collection = await lab.kube.get(pathOf(other, true));
      const items = (collection.body as { items?: readonly KubeObject[] }).items ?? [];
      const listed = items.find(({ metadata }) => metadata.name === object.metadata.name);
      const listedAs = listed?.apiVersion ?? 'nothing';
      lab.check(listedAs === other.apiVersion, `the list of ${other.apiVersion} holds it as ${listedAs}`);
      await rewriteIfItMay(lab, other);
    }
    const after = await get(lab, object);
    const same = isDeepStrictEqual(contentOf(after), contentOf(before));
    const text = `${own} ${object.kind} after a way through all versions: ${JSON.stringify(contentOf(after))}`;
    lab.check(same, same ? text : `${text}, before: ${JSON.stringify(contentOf(before))}`);
    await lab.remove([each]);
  }
}

function sameMetadata(lab: Lab, { apiVersion, metadata }: KubeObject, before: KubeObject): void {
  const plain = (object: KubeObject['metadata']) =>
    Object.fromEntries(Object.entries(object).filter(([key]) => !CHANGES_WITH_WRITES.includes(key)));
  const same = isDeepStrictEqual(plain(metadata), plain(before.metadata));
  lab.check(same, `metadata in ${apiVersion}: ${JSON.stringify(plain(metadata))}`);
  const lost = missingIn(metadata.annotations ?? {}, written(before.metadata.annotations), 'annotations');
  lab.check(lost === undefined, lost ?? `annotations are kept in ${apiVersion}`);
}

/** Annotations of the suite. What a mesh keeps for itself there is its own business. */
function written(annotations: Readonly<Record<string, string>> = {}): object {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => key.startsWith('conformance.test/')));
}

/** Versions of a group, among those that the mesh claims, that have the kind. */
async function versionsWith(lab: Lab, group: ApiGroup, kind: string): Promise<string[]> {
  const found: string[] = [];
  for (const version of lab.capabilities.served[group]) {
    const kinds = await kindsOf(lab, group, version);
    if (kinds.includes(kind)) found.push(version);
  }
  return found;
}

async function kindsOf(lab: Lab, group: ApiGroup, version: string): Promise<string[]> {
  const { body } = await lab.kube.get(`/apis/${API_GROUPS[group]}/${version}`);
  const resources = (body as { resources?: { kind: string; name: string }[] } | undefined)?.resources ?? [];
  return resources.filter(({ name }) => !name.includes('/')).map(({ kind }) => kind);
}

/** `wanted`: kinds by `group/version`. All are looked at, so that each version knows its own result. */
async function versions(lab: Lab, wanted: Readonly<Record<string, readonly string[]>>): Promise<void> {
  const wrong: string[] = [];
  for (const [name, kinds] of Object.entries(wanted)) {
    const [group, version = ''] = name.split('/') as [ApiGroup, string];
    if (!lab.capabilities.served[group].includes(version)) {
      lab.evidence.push(`${name} is not claimed (capability served.${group})`);
      continue;
    }
    lab.versions.add(`${API_GROUPS[group]}/${version}`);
    const there = await kindsOf(lab, group, version);
    const served = `${API_GROUPS[group]}/${version} serves ${there.join(', ') || 'nothing'}`;
    if (kinds.every((kind) => there.includes(kind))) lab.evidence.push(served);
    else wrong.push(`${served}; expected ${kinds.join(', ')}`);
  }
  lab.check(wrong.length === 0, wrong.length === 0 ? 'all that is claimed is served' : wrong.join(' | '));
}
