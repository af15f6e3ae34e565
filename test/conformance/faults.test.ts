import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES } from '../../conformance/cases/all.ts';
import { GROUPS, type Group } from '../../conformance/case.ts';
import { makeReport, type CaseResult } from '../../conformance/report.ts';
import { describe } from '../../conformance/run-case.ts';
import { FAULTS, judgeFault, type FaultName } from './faults.ts';

function reportWhere(outcome: (result: { readonly id: string; readonly group: Group }) => CaseResult['outcome']) {
  const cases = CASES.map((subject) => ({
    ...describe(subject),
    outcome: outcome(subject),
    seconds: 0,
    versions: [],
    evidence: [],
  }));
  return makeReport('fake', new Date(0), 0, { falseAlarm: 0.001, bands: 0 }, cases);
}

const names = Object.keys(FAULTS) as FaultName[];

for (const name of names) {
  const fails: readonly Group[] = FAULTS[name].fails;

  test(`faults: ${name} is found when exactly its groups fail`, () => {
    const report = reportWhere(({ group }) => (fails.includes(group) ? 'failed' : 'passed'));
    assert.deepEqual(judgeFault(name, report), { blind: [], unrelated: {} });
  });

  test(`faults: ${name} leaves a blind suite nowhere to hide`, () => {
    assert.deepEqual(
      judgeFault(
        name,
        reportWhere(() => 'passed'),
      ).blind,
      fails,
    );
  });
}

test('faults: a failure in a group that the fault leaves alone is named', () => {
  const report = reportWhere(({ id, group }) => (group === 'identity' || id === 'TS-70' ? 'failed' : 'passed'));
  assert.deepEqual(judgeFault('trust-forged-identity', report), { blind: [], unrelated: { split: ['TS-70'] } });
});

test('faults: a group whose cases were all skipped is not called blind', () => {
  const report = reportWhere(({ group }) => (group === 'identity' ? 'skipped' : 'passed'));
  assert.deepEqual(judgeFault('trust-forged-identity', report).blind, []);
});

test('faults: every group but admission is broken by some fault', () => {
  const broken = new Set(names.flatMap((name): readonly Group[] => FAULTS[name].fails));
  assert.deepEqual(
    Object.keys(GROUPS).filter((group) => !broken.has(group as Group)),
    ['admission'],
  );
});
