import { stringify } from 'yaml';
import { APIS, type Api, type Group } from './case.ts';

export interface CaseResult {
  readonly id: string;
  readonly check: number;
  readonly title: string;
  readonly tags: readonly string[];
  readonly api: Api;
  readonly group: Group;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  /** Versions of SMI's APIs that it has spoken, `split.smi-spec.io/v1alpha4`. */
  readonly versions: readonly string[];
  /** Steps of the community suite that it has passed. */
  readonly steps?: readonly string[];
  /** What was sent and what came of it, a line each. */
  readonly evidence: readonly string[];
  readonly failure?: string;
  readonly skippedBecause?: string;
}

export interface Report {
  readonly mesh: string;
  readonly started: string;
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The probability that a run of a right mesh fails because of chance, at most, and over how many bands it is spread. */
  readonly statistics: { readonly falseAlarm: number; readonly bands: number };
  /** For each API version: the cases that spoke it. A case that speaks several counts for each. */
  readonly versions: readonly VersionResult[];
  /** The 24 steps of the community suite; undefined when none of its cases was chosen. */
  readonly community?: { readonly passed: number; readonly of: number };
  readonly cases: readonly CaseResult[];
}

export interface VersionResult {
  readonly version: string;
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
}

export const COMMUNITY_STEPS = 24;

export function makeReport(
  mesh: string,
  started: Date,
  seconds: number,
  statistics: Report['statistics'],
  cases: readonly CaseResult[],
): Report {
  const count = (outcome: CaseResult['outcome']) => cases.filter((result) => result.outcome === outcome).length;
  const community = cases.filter(({ group }) => group === 'community');
  const steps = new Set(community.flatMap((result) => result.steps ?? [])).size;
  return {
    mesh,
    started: started.toISOString(),
    seconds: round(seconds),
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    statistics,
    versions: byVersion(cases),
    ...(community.length === 0 ? {} : { community: { passed: steps, of: COMMUNITY_STEPS } }),
    cases: [...cases].sort((a, b) => a.check - b.check || a.id.localeCompare(b.id)),
  };
}

function byVersion(cases: readonly CaseResult[]): VersionResult[] {
  const versions = [...new Set(cases.flatMap((result) => result.versions))].sort();
  return versions.map((version) => {
    const ids = (outcome: CaseResult['outcome']) =>
      cases
        .filter((result) => result.outcome === outcome && result.versions.includes(version))
        .map(({ id }) => id)
        .sort();
    return { version, passed: ids('passed'), failed: ids('failed'), skipped: ids('skipped') };
  });
}

/** For the terminal: grouped by API, with the evidence of what failed. */
export function textReport(report: Report): string {
  const lines: string[] = [];
  for (const api of APIS) {
    const cases = report.cases.filter((result) => result.api === api);
    if (cases.length === 0) continue;
    const passed = cases.filter(({ outcome }) => outcome === 'passed').length;
    lines.push('', `${api}  ${passed} of ${cases.length} passed`);
    for (const result of cases) lines.push(...textCase(result));
  }
  const { passed, failed, skipped, seconds, statistics } = report;
  lines.push('', 'by API version:', ...report.versions.map(textVersion));
  if (report.community !== undefined)
    lines.push('', `community suite of 2021, by meaning: ${report.community.passed} of ${report.community.of} steps`);
  lines.push(
    '',
    `shares: ${statistics.bands} bands, at most ${statistics.falseAlarm * 100} % false alarms for the whole run`,
    `conformance of ${report.mesh}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s`,
  );
  return lines.join('\n').trimStart() + '\n';
}

function textVersion({ version, passed, failed, skipped }: VersionResult): string {
  const of = passed.length + failed.length;
  const left = skipped.length === 0 ? '' : `, ${skipped.length} skipped`;
  const wrong = failed.length === 0 ? '' : `; failed: ${failed.join(', ')}`;
  return `  ${version.padEnd(28)} ${of === 0 ? 'not judged' : `${passed.length} of ${of} passed`}${left}${wrong}`;
}

export const MARKS = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip' } as const;

function textCase({ id, title, tags, outcome, seconds, skippedBecause, failure, evidence }: CaseResult): string[] {
  const head = `  ${MARKS[outcome]} ${id.padEnd(8)} ${title} [${tags.join(', ')}]`;
  if (outcome === 'skipped') return [`${head}: ${skippedBecause ?? ''}`];
  if (outcome === 'passed') return [`${head} ${round(seconds)} s`];
  return [head, `       ${failure ?? ''}`, ...evidence.map((line) => `       . ${line}`)];
}

/** JUnit XML: a suite per API, a test case per case. */
export function junitReport(report: Report): string {
  const suites = APIS.map((api) => {
    const cases = report.cases.filter((result) => result.api === api);
    if (cases.length === 0) return '';
    const count = (outcome: CaseResult['outcome']) => cases.filter((result) => result.outcome === outcome).length;
    const seconds = round(cases.reduce((sum, result) => sum + result.seconds, 0));
    const head = `  <testsuite name="${xml(api)}" tests="${cases.length}" failures="${count('failed')}" errors="0" skipped="${count('skipped')}" time="${seconds}">`;
    return [head, ...cases.map(junitCase), '  </testsuite>'].join('\n');
  });
  const { passed, failed, skipped } = report;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="SMI conformance of ${xml(report.mesh)}" tests="${passed + failed + skipped}" failures="${failed}" errors="0" skipped="${skipped}" time="${report.seconds}">`,
    ...suites.filter(Boolean),
    '</testsuites>',
    '',
  ].join('\n');
}

function junitCase({ id, title, api, group, outcome, seconds, failure, skippedBecause, evidence }: CaseResult): string {
  const head = `    <testcase classname="${xml(`${api}.${group}`)}" name="${xml(`${id} ${title}`)}" time="${round(seconds)}"`;
  if (outcome === 'passed') return `${head}/>`;
  if (outcome === 'skipped') return `${head}><skipped message="${xml(skippedBecause ?? '')}"/></testcase>`;
  return `${head}><failure message="${xml(failure ?? '')}">${xml(evidence.join('\n'))}</failure></testcase>`;
}

/** YAML with the evidence of every case. */
export function yamlReport(report: Report): string {
  return stringify(report, { lineWidth: 0 });
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
};

/** Escapes text for XML; characters that XML 1.0 does not know at all become U+FFFD. */
function xml(text: string): string {
  return text
    .replace(/[^\t\n\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"\n]/g, (character) => ENTITIES[character] ?? '');
}

function round(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
