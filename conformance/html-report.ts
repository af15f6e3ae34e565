import { APIS, GROUPS } from './case.ts';
import type { CaseResult, Report, VersionResult } from './report.ts';

/**
 * One page that says how it went: the sum, each API version, and every case with its evidence. It needs nothing but
 * itself: no script, no font, no picture; what does not matter is folded away and unfolds without help.
 */
export function htmlReport(report: Report): string {
  const { mesh, started, seconds, passed, failed, skipped, statistics, community } = report;
  const verdict = failed === 0 ? (passed === 0 ? 'nothing was judged' : 'all checks passed') : `${failed} failed`;
  const steps =
    community === undefined
      ? ''
      : `<p>Community suite of 2021, by meaning: ${community.passed} of ${community.of} steps.</p>`;
  const failures = report.cases.filter(({ outcome }) => outcome === 'failed');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>SMI conformance of ${escape(mesh)}: ${escape(verdict)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>SMI conformance of ${escape(mesh)}</h1>
<p class="sum"><b class="passed">${passed}</b> passed <b class="${failed > 0 ? 'failed' : 'none'}">${failed}</b> failed <b class="skipped">${skipped}</b> skipped</p>
<p>${escape(started.replace('T', ' ').replace(/\..*/, ' UTC'))}, ${seconds} s.
Traffic shares: ${statistics.bands} bands, which together raise a false alarm in at most ${statistics.falseAlarm * 100} % of runs.</p>
${steps}
</header>
${failures.length === 0 ? '' : `<section><h2>What failed</h2>${failures.map(failedCase).join('\n')}</section>`}
<section>
<h2>By API version</h2>
<table><thead><tr><th>version</th><th>passed</th><th>failed</th><th>skipped</th></tr></thead><tbody>
${report.versions.map(versionRow).join('\n')}
</tbody></table>
</section>
${APIS.map((api) =>
  section(
    api,
    report.cases.filter((result) => result.api === api),
  ),
).join('\n')}
</body>
</html>
`;
}

function versionRow({ version, passed, failed, skipped }: VersionResult): string {
  const cell = (ids: readonly string[], kind: string) =>
    `<td class="${ids.length === 0 ? 'none' : kind}" title="${escape(ids.join(', '))}">${ids.length}</td>`;
  return `<tr><th scope="row">${escape(version)}</th>${cell(passed, 'passed')}${cell(failed, 'failed')}${cell(skipped, 'skipped')}</tr>`;
}

function failedCase({ id, title, group, failure, evidence }: CaseResult): string {
  const lines = evidence.map((line) => `<li${line.startsWith('FAILED') ? ' class="failed"' : ''}>${escape(line)}</li>`);
  return `<article><h3><span class="mark failed">failed</span> ${escape(id)} ${escape(title)}</h3>
<p class="why">${escape(failure ?? '')}</p>
<p class="about">about: ${escape(GROUPS[group])}</p>
${lines.length === 0 ? '' : `<ul class="evidence">${lines.join('')}</ul>`}</article>`;
}

function section(api: string, cases: readonly CaseResult[]): string {
  if (cases.length === 0) return '';
  const passed = cases.filter(({ outcome }) => outcome === 'passed').length;
  return `<section><h2>${escape(api)} <small>${passed} of ${cases.length} passed</small></h2>
${cases.map(row).join('\n')}</section>`;
}

function row({ id, title, tags, outcome, seconds, evidence, failure, skippedBecause, versions }: CaseResult): string {
  const said =
    outcome === 'skipped' ? [skippedBecause ?? ''] : [...(failure === undefined ? [] : [failure]), ...evidence];
  const lines = said.map((line) => `<li>${escape(line)}</li>`).join('');
  const spoken = versions.length === 0 ? '' : `<li class="about">speaks ${escape(versions.join(', '))}</li>`;
  const took = outcome === 'skipped' ? '' : `${seconds.toFixed(1)} s`;
  return `<details><summary><span class="mark ${outcome}">${outcome}</span> <span class="id">${escape(id)}</span> <span class="title">${escape(title)}</span> <span class="tags">${escape(tags.join(' '))} ${took}</span></summary>
<ul class="evidence">${spoken}${lines}</ul></details>`;
}

/** For text and for attributes in double quotes; what HTML cannot carry becomes U+FFFD. */
export function escape(text: string): string {
  return text
    .replace(/[^\t\n\u{20}-\u{7e}\u{a0}-\u{d7ff}\u{e000}-\u{fdcf}\u{fdf0}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; --text: #1a1d21; --soft: #5b636d; --page: #fff; --box: #f4f5f7; --line: #d9dce1;
  --passed: #17692f; --failed: #b3131b; --skipped: #7a5a00; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8eb; --soft: #9aa3ad; --page: #14171a; --box: #1d2125;
  --line: #343a41; --passed: #62c47f; --failed: #ff7b7b; --skipped: #e0b54a; } }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; } h3 { font-size: 1rem; margin: 0; }
small, .about, .tags, header p { color: var(--soft); font-weight: normal; }
.sum { font-size: 1.15rem; color: var(--text); } .sum b { font-size: 1.5rem; margin-left: .6rem; } .sum b:first-child { margin: 0; }
.passed { color: var(--passed); } .failed { color: var(--failed); } .skipped { color: var(--skipped); } .none { color: var(--soft); }
table { border-collapse: collapse; } th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid var(--line); font-weight: normal; }
td { font-variant-numeric: tabular-nums; }
details, article { border-bottom: 1px solid var(--line); } article { border-left: 3px solid var(--failed); background: var(--box); padding: .6rem .9rem; margin: .6rem 0; }
summary { display: flex; flex-wrap: wrap; gap: .2rem .6rem; padding: .25rem 0; cursor: pointer; } summary:hover { background: var(--box); }
.mark { min-width: 4rem; font-weight: 600; } .id { min-width: 4.6rem; } .title { flex: 1; } .tags { font-size: .85em; }
.evidence { margin: .2rem 0 .8rem; padding-left: 1.2rem; font: 12.5px/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.why { margin: .3rem 0; overflow-wrap: anywhere; }
`;
