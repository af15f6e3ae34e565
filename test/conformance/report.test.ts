import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { junitReport, makeReport, textReport, yamlReport, type CaseResult } from '../../conformance/report.ts';

const passed: CaseResult = {
  id: 'TT-22',
  check: 22,
  title: 'a target lets in a',
  tags: ['S'],
  api: 'access.smi-spec.io',
  group: 'access',
  outcome: 'passed',
  seconds: 1.234,
  versions: ['access.smi-spec.io/v1alpha3'],
  evidence: ['a -> b: 200'],
};
const failed: CaseResult = {
  ...passed,
  id: 'TS-69a',
  check: 69,
  title: 'weights 90/10 & "more" are kept',
  api: 'split.smi-spec.io',
  group: 'split',
  outcome: 'failed',
  failure: 'outside the band: v1 <2>',
  evidence: ['shares v1 1500 of 2000, band 1743..1856', 'sampled once more: \u0000\u001b[31m'],
};
const skipped: CaseResult = {
  ...passed,
  id: 'TS-77',
  check: 77,
  outcome: 'skipped',
  skippedBecause: 'needs clusterIP',
  evidence: [],
};
const report = makeReport('weft', new Date(0), 61.0049, { falseAlarm: 0.001, bands: 30 }, [failed, skipped, passed]);

test('report: counts what passed, failed and was skipped, in the order of the checks', () => {
  const { passed, failed, skipped, seconds, cases } = report;
  assert.deepEqual({ passed, failed, skipped, seconds }, { passed: 1, failed: 1, skipped: 1, seconds: 61 });
  assert.deepEqual(
    cases.map(({ id }) => id),
    ['TT-22', 'TS-69a', 'TS-77'],
  );
});

test('report: the text is grouped by API and shows evidence for failures only', () => {
  const lines = textReport(report).split('\n');
  assert.equal(lines[0], 'access.smi-spec.io  1 of 2 passed');
  assert.ok(lines.includes('  ok   TT-22    a target lets in a [S] 1.23 s'));
  assert.ok(lines.some((line) => line.includes('skip TS-77') && line.endsWith('needs clusterIP')));
  assert.ok(lines.includes('       . shares v1 1500 of 2000, band 1743..1856'));
  assert.ok(!lines.some((line) => line.includes('a -> b: 200')));
  assert.equal(lines.at(-2), 'conformance of weft: 1 passed, 1 failed, 1 skipped in 61 s');
});

test('report: JUnit XML has a suite per API and escapes what XML cannot carry', () => {
  const xml = junitReport(report);
  assert.match(
    xml,
    /<testsuites name="SMI conformance of weft" tests="3" failures="1" errors="0" skipped="1" time="61">/,
  );
  assert.match(xml, /<testsuite name="split.smi-spec.io" tests="1" failures="1"/);
  assert.match(xml, /name="TS-69a weights 90\/10 &amp; &quot;more&quot; are kept"/);
  assert.match(xml, /<failure message="outside the band: v1 &lt;2&gt;">/);
  assert.match(xml, /<skipped message="needs clusterIP"\/>/);
  assert.equal(xml.match(/<testcase /g)?.length, 3);
  assert.ok(!xml.includes('apiextensions'));
});

test('report: JUnit XML stays well-formed whatever a proxy puts into its answers', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const hostile = { ...failed, failure: text, evidence: [text] };
      const xml = junitReport(makeReport(text, new Date(0), 1, report.statistics, [hostile]));
      assert.ok(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(xml));
      assert.deepEqual(xml.replace(/<\/?[a-z]+(?: [a-z]+="[^"<>]*")*\/?>|<\?xml[^>]*\?>/g, '').match(/[<>]/g), null);
      assert.ok(!/&(?!amp;|lt;|gt;|quot;|#10;)/.test(xml));
    }),
  );
});

test('report: YAML reads back as the report', () => {
  assert.deepEqual(parse(yamlReport(report)), JSON.parse(JSON.stringify(report)));
});
