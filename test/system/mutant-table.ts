import type { Mutant } from './mutant-list.ts';

/** Who noticed each mutant, by its name: ids of cases, empty = nobody. */
export type Caught = ReadonlyMap<string, readonly string[]>;

const BEGIN = '<!-- mutants: written by npm run mutants -- --write -->';
const END = '<!-- mutants end -->';

/** The rows of the table in a document. @throws Error when the document has no place for them */
export function readTable(document: string): Caught {
  const rows = place(document)
    .inside.split('\n')
    .filter((line) => line.startsWith('| `'));
  return new Map(
    rows.map((row) => {
      const cells = row.split('|').map((cell) => cell.trim());
      const ids = (cells.at(-2) ?? '').split(', ').filter((id) => /^[A-Z]+-\d+[a-z]?$/.test(id));
      return [(cells[1] ?? '').replaceAll('`', ''), ids];
    }),
  );
}

/** The document with a row for each mutant; those that nobody is known to have noticed say so. */
export function writeTable(document: string, mutants: readonly Mutant[], caught: Caught): string {
  const { before, after } = place(document);
  const rows = mutants.map(({ name, file, why }) => {
    const ids = caught.get(name) ?? [];
    return `| \`${name}\` | ${file.replace('src/', '')} | ${why.replaceAll('|', '\\|')} | ${ids.join(', ') || 'nobody yet'} |`;
  });
  return [
    before + BEGIN,
    '',
    '| fault | where | what goes wrong | caught by |',
    '|---|---|---|---|',
    ...rows,
    '',
    END + after,
  ].join('\n');
}

function place(document: string) {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`the document has no lines ${BEGIN} and ${END}`);
  return {
    before: document.slice(0, from),
    inside: document.slice(from + BEGIN.length, to),
    after: document.slice(to + END.length),
  };
}
