import { HUB_VERSIONS } from '../../src/spec/convert.ts';
import type { Kind } from './parts.ts';

export const TABLE_BEGINS = '<!-- versions: written by npm run crds -->\n';
export const TABLE_ENDS = '<!-- end of versions -->\n';

/** What a conversion keeps beside an object because the version, or the newest one, has no field for it. */
const KEPT: Readonly<Record<string, string>> = {
  'TrafficTarget v1alpha1': '`destination.port` (in newer versions, where it stays in force) and `sources[].port`',
  'TrafficTarget v1alpha2': '`destination.port` (in newer versions, where it stays in force) and `sources[].port`',
  'HTTPRouteGroup v1alpha1': '`headers` of newer versions, by the name of their entry',
  'TCPRoute v1alpha1': '`spec.matches` of v1alpha4, which stays in force',
  'TCPRoute v1alpha2': '`spec.matches` of v1alpha4, which stays in force',
  'TCPRoute v1alpha3': '`spec.matches` of v1alpha4, which stays in force',
  'TrafficSplit v1alpha1': '`matches` of newer versions; weights that are not written as whole numbers',
  'TrafficSplit v1alpha2': '`matches` of newer versions',
};

/** The table of docs/smi.md: every version of every kind. */
export function versionTable(kinds: readonly Kind[]): string {
  const rows = kinds.flatMap(({ kind, versions }) =>
    versions.map(({ name }, i) => {
      const stored = i === versions.length - 1;
      const converts = HUB_VERSIONS.get(kind)?.fromHub.has(name) === true;
      const converted = versions.length === 1 ? 'only version' : converts ? 'without loss' : 'no';
      return `| ${kind} | ${name} | yes | ${stored ? 'yes' : 'no'} | ${converted} | ${KEPT[`${kind} ${name}`] ?? ''} |`;
    }),
  );
  return [
    '| kind | version | served | stored | converted | kept in an annotation |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** `page` with the table in its place. @throws Error when the page has no place for it */
export function withTable(page: string, table: string): string {
  const [before, rest] = page.split(TABLE_BEGINS);
  const after = rest?.split(TABLE_ENDS)[1];
  if (before === undefined || after === undefined) throw new Error(`docs/smi.md has no ${TABLE_BEGINS}`);
  return before + TABLE_BEGINS + table + TABLE_ENDS + after;
}
