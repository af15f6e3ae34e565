import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { escape, htmlReport } from '../../conformance/html-report.ts';
import { makeReport, type CaseResult } from '../../conformance/report.ts';

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
  title: 'weights <b>90</b>',
  api: 'split.smi-spec.io',
  group: 'split',
  outcome: 'failed',
  versions: ['split.smi-spec.io/v1alpha4'],
  failure: 'outside the band: v1',
  evidence: ['shares v1 1500 of 2000, band 1743..1856', 'FAILED v1 1500'],
};
const skipped: CaseResult = { ...passed, id: 'TS-94', outcome: 'skipped', skippedBecause: 'there is no gateway' };
const statistics = { falseAlarm: 0.001, bands: 2 };
const page = (cases: readonly CaseResult[], mesh = 'weft') =>
  htmlReport(makeReport(mesh, new Date(0), 61, statistics, cases));

test('html report: says what failed, why, and by what evidence, before everything else', () => {
  const html = page([passed, failed, skipped]);
  const [head = '', rest = ''] = html.split('By API version');
  assert.match(
    head,
    /<b class="passed">1<\/b> passed <b class="failed">1<\/b> failed <b class="skipped">1<\/b> skipped/,
  );
  assert.match(head, /TS-69a weights &#60;b&#62;90&#60;\/b&#62;/);
  assert.match(head, /<p class="why">outside the band: v1<\/p>/);
  assert.match(head, /<li class="failed">FAILED v1 1500<\/li>/);
  assert.match(
    rest,
    /split\.smi-spec\.io\/v1alpha4<\/th><td class="none" title="">0<\/td><td class="failed" title="TS-69a">1</,
  );
  assert.match(rest, /there is no gateway/);
});

test('html report: a run without failures says so, one without cases says that too', () => {
  assert.match(page([passed]), /<title>SMI conformance of weft: all checks passed<\/title>/);
  assert.ok(!page([passed]).includes('What failed'));
  assert.match(page([]), /nothing was judged/);
});

test('html report: needs nothing but itself', () => {
  const html = page([passed, failed, skipped]);
  assert.ok(!/<script|<link|<img|@import|url\(|https?:/.test(html));
  assert.match(html, /prefers-color-scheme: dark/);
});

test('html report: whatever a proxy answers stays text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      assert.ok(!/[<>"']|&(?!#\d+;)/.test(escape(text)));
      const hostile = { ...failed, title: text, failure: text, evidence: [text], versions: [text] };
      const tags = (html: string) =>
        (html.match(/<[^>]*>/g) ?? []).map((tag) => tag.replace(/"[^"]*"/g, '""')).join('');
      assert.equal(
        tags(page([hostile], text)),
        tags(page([{ ...hostile, title: 'x', failure: 'x', evidence: ['x'], versions: ['x'] }], 'x')),
      );
    }),
  );
});
