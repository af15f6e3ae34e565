import { APIS, type Case } from '../../conformance/case.ts';

const BEGIN = '<!-- cases: written by UPDATE_DOCS=1 npx node --test test/conformance/cases.test.ts -->';
const END = '<!-- cases end -->';

/** The document with a row for every case. @throws Error when it has no place for them */
export function writeCases(document: string, cases: readonly Case[]): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the document has no lines ${BEGIN} and ${END}`);
  const tables = APIS.map((api) => {
    const rows = cases
      .filter((subject) => subject.api === api)
      .sort((a, b) => a.check - b.check || a.id.localeCompare(b.id))
      .map(({ id, title, tags, group, waitsFor, needs = [] }) => {
        const notes = [
          ...needs.map((need) => `needs ${need}`),
          ...(waitsFor === undefined ? [] : [`waits for ${waitsFor}`]),
        ];
        return `| ${[id, title, tags.join(', '), group, notes.join('; ')].join(' | ').trimEnd()} |`;
      });
    return ['', `### ${api}`, '', '| id | title | tags | group | notes |', '|---|---|---|---|---|', ...rows].join('\n');
  });
  return `${document.slice(0, from)}${BEGIN}\n${tables.join('\n')}\n\n${document.slice(to)}`;
}
