const BEGIN = '<!-- bench: begin (npm run bench -- --markdown FILE writes what follows) -->';
const END = '<!-- bench: end -->';

/**
 * Puts `text` between the markers of a document.
 * @throws Error when it has none
 */
export function replaceSection(document: string, text: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the document has no lines\n${BEGIN}\n${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${document.slice(end)}`;
}
