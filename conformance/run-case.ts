import { API_GROUPS, type Case, type KindNames, type Step, type Traffic } from './case.ts';
import { CaseFailure, Lab, type LabOptions } from './lab.ts';
import { messageOf, pathOf, type KubeObject } from './kube.ts';
import { PLAYS } from './plays.ts';
import type { CaseResult } from './report.ts';

/** Plays one case and cleans up after it. Never rejects but for the run being aborted. */
export async function runCase(options: LabOptions): Promise<CaseResult> {
  const { subject, signal } = options;
  const lab = new Lab(options);
  const began = performance.now();
  let failure: string | undefined;
  try {
    for (const step of subject.steps) await runStep(lab, step);
  } catch (error) {
    if (signal.aborted) throw error;
    failure = error instanceof CaseFailure ? error.message : `could not be judged: ${String(error)}`;
  }
  try {
    await lab.removeAll();
    await nothingRemains(lab, subject);
  } catch (error) {
    if (signal.aborted) throw error;
    failure ??= `after its objects were deleted: ${error instanceof Error ? error.message : String(error)}`;
  }
  return {
    ...describe(subject),
    outcome: failure === undefined ? 'passed' : 'failed',
    seconds: (performance.now() - began) / 1000,
    evidence: lab.evidence,
    ...(failure === undefined ? {} : { failure }),
  };
}

export function describe({
  id,
  check,
  title,
  tags,
  api,
  group,
}: Case): Omit<CaseResult, 'outcome' | 'seconds' | 'evidence'> {
  return { id, check, title, tags, api, group };
}

async function runStep(lab: Lab, step: Step): Promise<void> {
  if ('apply' in step) return lab.apply(step.apply);
  if ('remove' in step) return lab.remove(step.remove);
  if ('expect' in step) return lab.expect(step.expect);
  if ('admission' in step) return admission(lab, step);
  if ('event' in step) return event(lab, step.event, step.mentions);
  if ('refusedOrEvent' in step) return refusedOrEvent(lab, step.refusedOrEvent, step.mentions);
  if ('kinds' in step) return kinds(lab, step.kinds);
  if ('column' in step) return column(lab, step.column);
  if ('pauseMs' in step) return lab.pause(step.pauseMs);
  const play = PLAYS[step.play];
  if (play === undefined) throw new Error(`there is no play ${step.play}`);
  return play(lab);
}

/** What a case was granted must be gone once its objects are, or the next case would not start from nothing. */
async function nothingRemains(lab: Lab, { home, steps }: Case): Promise<void> {
  if (home !== 'policy') return;
  const last = steps.findLast((step) => 'expect' in step);
  const granted = (last?.expect ?? []).filter(
    ({ is, to }) => is === 'allowed' && !JSON.stringify(to).includes('split/'),
  );
  const denied: Traffic[] = granted.map((traffic) => ({ ...traffic, count: 1, is: 'denied' }));
  await lab.eventually(() => Promise.all(denied.map((traffic) => lab.observe(traffic, 1))));
}

async function admission(lab: Lab, step: Extract<Step, { admission: KubeObject }>): Promise<void> {
  const object = lab.object(step.admission);
  const reply = await lab.kube.create(object);
  if (reply.code < 300) await lab.kube.remove(object);
  const text = `create ${object.kind} ${JSON.stringify(object['spec'] ?? {})}: ${reply.code} ${reply.code < 300 ? '' : messageOf(reply)}`;
  lab.check(step.is === 'admitted' ? reply.code < 300 : isRefusal(reply.code), `${text} (expected: ${step.is})`);
  if (step.mentions !== undefined)
    lab.check(messageOf(reply).includes(step.mentions), `${text} (expected to name ${step.mentions})`);
}

/** 400, 403 (a webhook) or 422: a verdict about the object, unlike 404 or 500. */
function isRefusal(code: number): boolean {
  return code === 400 || code === 403 || code === 422;
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
  const wanted =
    lab.object({ ...given, metadata: { ...given.metadata, labels: { wanted: mentions } } }).metadata.labels?.[
      'wanted'
    ] ?? '';
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
  for (const { group, kind, plural, singular, short } of wanted) {
    const path = `/apis/${API_GROUPS[group]}/${lab.capabilities.versions[group]}`;
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
  const wanted = lab.object({ ...of, metadata: { ...of.metadata, labels: { wanted: value } } }).metadata.labels?.[
    'wanted'
  ];
  lab.check(cell === wanted, `column ${name} shows ${JSON.stringify(cell)}, expected ${JSON.stringify(wanted)}`);
}
