import { stripVTControlCharacters } from 'node:util';
import { resolve } from 'node:path';
import { freePorts } from './pair.ts';
import type { Suite, SuiteContext } from './suite.ts';
import { finished, goTool } from './tools.ts';

const H2SPECD = { path: 'github.com/summerwind/h2spec/cmd/h2specd', version: 'v2.2.1+incompatible' };
const CLIENT = resolve(import.meta.dirname, 'h2specd-client.ts');
/** So many has this version. */
const CASES = 57;

/** Our client half as others judge it: h2specd is a server that breaks one rule per case and looks what comes back. */
export const h2specd: Suite = {
  name: 'h2specd',
  title: 'RFC 9113 against our client half (h2specd, all cases, strict)',
  async run(context) {
    const tool = await goTool(H2SPECD);
    if ('missing' in tool) return context.skip('h2specd', tool.missing);
    const from = await freePorts(100); // each case has the next one
    const out = await finished(tool.file, ['-f', String(from), '-S', '-o', '2', '-e', `${process.execPath} ${CLIENT}`]);
    const cases = reportText(context, stripVTControlCharacters(out));
    if (cases !== CASES)
      context.fail('h2specd', `it reported ${cases} cases instead of ${CASES}:\n${out.slice(-2000)}`);
  },
};

/** Takes over the verdicts that h2specd prints; it writes no other report. @returns how many there are */
function reportText(context: SuiteContext, text: string): number {
  let section = '';
  let cases = 0;
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    section = /^\s+(\d+(?:\.\d+)*)\. \S/.exec(line)?.[1] ?? section;
    const [, mark, what] = /^\s+([✔×]) \d+: (.*)$/.exec(line) ?? [];
    if (/^Failures:/.test(line)) break; // the same once more
    if (mark === undefined) continue;
    cases++;
    const name = `${section} ${what}`;
    if (mark === '✔') context.pass(name);
    else context.fail(name, lines.slice(i + 1, i + 4).join('\n'));
  }
  return cases;
}
