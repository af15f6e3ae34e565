import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { NEEDS } from '../../conformance/capabilities.ts';
import { bandsOf, fill, GROUPS, type Traffic } from '../../conformance/case.ts';
import { CASES } from '../../conformance/cases/all.ts';
import { split } from '../../conformance/cases/objects.ts';
import type { KubeObject } from '../../conformance/kube.ts';
import { PLAYS } from '../../conformance/plays.ts';
import { workloads } from '../../conformance/fleet.ts';
import { writeCases } from './cases-table.ts';
import { schedule, selectCases, targetsOf } from '../../conformance/run-conformance.ts';

/** All checks of docs/smi.md 6.1 to 6.4 and 6.6. Check 115 is about the suite itself (faults.ts). */
const REQUIRED = [...Array.from({ length: 95 }, (_, i) => i + 1), ...[111, 112, 113, 114]];
/** They have a case that says what it waits for. */
const WAITING = [35, 52, 94];
/** Row ids that docs/smi.md 2.7 has. */
const ROWS = { A: 21, H: 15, S: 25 } as const;

test('cases: every id is unique, begins with its kind and ends with its check', () => {
  assert.equal(new Set(CASES.map(({ id }) => id)).size, CASES.length);
  for (const { id, check } of CASES)
    assert.match(id, check === 0 ? /^CS-[1-9]$/ : new RegExp(`^(API|TT|HR|TS)-0?${check}[a-l]?$`));
});

test('cases: every check that they are there for has one', () => {
  const covered = new Set(CASES.map(({ check }) => check));
  assert.deepEqual(
    REQUIRED.filter((check) => !covered.has(check)),
    [],
  );
});

test('cases: tags are S, T or a row that exists', () => {
  for (const { id, tags } of CASES) {
    assert.ok(tags.length > 0, id);
    for (const tag of tags) {
      const [letter, row] = [tag[0] as keyof typeof ROWS, Number(tag.slice(1))];
      assert.ok(tag === 'S' || tag === 'T' || (row >= 1 && row <= (ROWS[letter] ?? 0)), `${id}: ${tag}`);
    }
  }
});

test('cases: every group has one, needs are known, and every play exists', () => {
  const groups = new Set(CASES.map(({ group }) => group));
  assert.deepEqual([...groups].sort(), Object.keys(GROUPS).sort());
  for (const { id, needs = [], steps } of CASES) {
    for (const need of needs) assert.ok(need in NEEDS, id);
    for (const step of steps) if ('play' in step) assert.ok(PLAYS[step.play] !== undefined, id);
  }
  const used = CASES.flatMap(({ steps }) => steps.flatMap((step) => ('play' in step ? [step.play] : [])));
  assert.deepEqual([...new Set(used)].sort(), Object.keys(PLAYS).sort());
});

test('cases: every case can fail: it expects traffic, an admission, an Event, or plays', () => {
  const silent = ['apply', 'remove', 'pauseMs', 'pods', 'passed'];
  for (const { id, steps, waitsFor } of CASES)
    assert.equal(
      steps.some((step) => Object.keys(step).every((key) => !silent.includes(key))),
      waitsFor === undefined,
      id,
    );
  const waiting = CASES.filter(({ waitsFor }) => waitsFor !== undefined).map(({ check }) => check);
  assert.deepEqual(
    waiting.sort((a, b) => a - b),
    WAITING,
  );
});

test('cases: denials alone prove nothing about objects: beside them something is allowed', () => {
  const denies = ({ is }: Traffic) => is === 'denied' || is === 'forbidden' || is === 'closed' || is === 'rejected';
  for (const { id, check, steps } of CASES) {
    if (check === 21 || check === 46 || check === 0) continue; // no objects; the community suite has it so
    let applied = false;
    for (const step of steps) {
      if ('apply' in step) applied = true;
      if (!('expect' in step) || !applied) continue;
      const afterRemoval = steps
        .slice(0, steps.indexOf(step))
        .some((earlier) => 'remove' in earlier || 'patch' in earlier);
      if (!afterRemoval) assert.ok(!step.expect.every(denies), `${id}: all of ${JSON.stringify(step.expect)}`);
    }
  }
});

test('cases: traffic comes from pods that exist and goes to Services that exist or that the case makes', () => {
  const pods = new Set(workloads(2).map(({ home, name }) => `${home}/${name}`));
  for (const { id, home, steps } of CASES) {
    const made = new Set<string>();
    for (const step of steps) {
      if ('apply' in step) for (const { kind, metadata } of step.apply) if (kind === 'Service') made.add(metadata.name);
      if ('pods' in step) for (const { name } of step.pods) made.add(name);
      if (!('expect' in step)) continue;
      for (const { from, to } of step.expect) {
        const place = fill('pod' in to ? to.pod : to.service, { b: 'b1', b2: 'b2' });
        const full = place.includes('/') ? place : `${home}/${place}`;
        assert.ok(pods.has(full) || ('service' in to && made.has(to.service)), `${id}: nobody is ${full}`);
        const sender = fill<string>(from, { b: 'b1', b2: 'b2' });
        const homes = ['policy', 'split', 'unmeshed'].map((candidate) => `${candidate}/${sender}`);
        assert.ok(
          made.has(from) || pods.has(sender) || homes.some((candidate) => pods.has(candidate)),
          `${id}: ${from}`,
        );
      }
    }
  }
});

test('cases: objects carry the names of their case, so that cases cannot meet', () => {
  for (const { id, steps } of CASES)
    for (const object of steps.flatMap((step): readonly KubeObject[] => ('apply' in step ? step.apply : [])))
      assert.match(object.metadata.name, /^\$id-[a-z0-9-]+$/, id);
});

test('cases: cases about access have workloads of their own', () => {
  for (const subject of CASES) {
    const expected = JSON.stringify(subject.steps).includes('$b2') ? 2 : subject.home === 'policy' ? 1 : 0;
    assert.equal(targetsOf(subject), expected, subject.id);
  }
});

test('cases: docs/conformance.md lists each of them', () => {
  const file = new URL('../../docs/conformance.md', import.meta.url);
  const text = readFileSync(file, 'utf8');
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(file, writeCases(text, CASES));
  else assert.equal(text, writeCases(text, CASES));
});

test('cases: fill puts values into every string, keys too, and leaves other dollars alone', () => {
  const data = { $b: ['$id-x', '/api$', '(a+)+$'], n: 1, nothing: null, unknown: '$what' };
  assert.deepEqual(fill(data, { id: 'tt-1', b: 'b1' }), {
    b1: ['tt-1-x', '/api$', '(a+)+$'],
    n: 1,
    nothing: null,
    unknown: '$what',
  });
});

test('cases: the bands of a case are the backends of its shares', () => {
  const byId = new Map(CASES.map((subject) => [subject.id, subject]));
  assert.equal(bandsOf(byId.get('TS-69d')!), 3);
  assert.equal(bandsOf(byId.get('TS-71')!), 6);
  assert.equal(bandsOf(byId.get('TT-22')!), 0);
});

test('cases: a split is written with the names of its case, or as it is given', () => {
  assert.deepEqual(split('s', 'root', { v1: 1 })['spec'], {
    service: 'root',
    backends: [{ service: '$id-v1', weight: 1 }],
  });
  assert.deepEqual(split('s', 'root', [{ service: 'x', weight: 1.5 }])['spec'], {
    service: 'root',
    backends: [{ service: 'x', weight: 1.5 }],
  });
});

test('cases: a filter chooses by id, group or title', () => {
  assert.deepEqual(
    selectCases('ts-69a').map(({ id }) => id),
    ['TS-69a'],
  );
  assert.ok(selectCases('identity').some(({ id }) => id === 'TT-40'));
  assert.equal(selectCases().length, CASES.length);
  assert.deepEqual(selectCases('no such case'), []);
});

test('schedule: plays everything, never more at once than allowed, and no workload in two cases', async () => {
  const busy = new Set<string>();
  let running = 0;
  let most = 0;
  const played = await schedule(CASES, 4, ['b1', 'b2', 'b3'], async (subject, targets) => {
    most = Math.max(most, ++running);
    assert.equal(targets.length, targetsOf(subject));
    for (const target of targets) {
      assert.ok(!busy.has(target));
      busy.add(target);
    }
    await new Promise((resolve) => setImmediate(resolve));
    for (const target of targets) busy.delete(target);
    running--;
    return subject.id;
  });
  assert.equal(new Set(played).size, CASES.length);
  assert.equal(most, 4);
});
