import assert from 'node:assert/strict';
import http from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import { liveTable, type LiveTableOptions } from '../../src/main/live-table.ts';
import { LATENCY_BOUNDS_MS } from '../../src/mesh/traffic.ts';
import type { SeriesReport, TrafficReport } from '../../src/mesh/traffic-report.ts';

const workload = { namespace: 'shop', pod: 'web-1', owner: 'web', ownerKind: 'Deployment', serviceAccount: 'web' };

function report(requests: number): TrafficReport {
  const target = { namespace: 'shop', service: 'catalog', port: 80, backend: 'catalog-v1', workload: undefined };
  const series: SeriesReport = {
    labels: { direction: 'outbound', peerIdentity: undefined, tls: true, target },
    requests,
    successes: requests,
    failures: 0,
    statuses: {},
    failedStatuses: {},
    latency: LATENCY_BOUNDS_MS.map(() => 0),
    latencySumMs: 0,
    tcpOpened: 0,
    tcpClosed: 0,
    tcpOpen: 0,
    bytesRead: 0,
    bytesWritten: 0,
    refused: {},
    audited: {},
  };
  return { workload, series: [series] };
}

/** Rows of a terminal with `columns` columns after `text`, as a terminal would show them. */
function screen(text: string, columns: number): string[] {
  const rows: string[] = [''];
  for (const part of text.split(/(\x1b\[\d*[AJ]|\n)/)) {
    const up = /^\x1b\[(\d+)A$/.exec(part);
    if (up !== null) rows.length = Math.max(1, rows.length - Number(up[1]));
    else if (part === '\x1b[J') rows[rows.length - 1] = '';
    else if (part === '\n') rows.push('');
    else
      for (const character of part) {
        if ((rows.at(-1) ?? '').length === columns) rows.push('');
        rows[rows.length - 1] += character;
      }
  }
  return rows;
}

describe('live table', () => {
  let requests = 0;
  const server = http.createServer((_, response) => response.end(JSON.stringify(report((requests += 10)))));
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  after(() => new Promise((resolve) => server.close(resolve)));

  /** What is written by the time of the fourth look. */
  async function written(terminal: LiveTableOptions['terminal']): Promise<string> {
    const stop = new AbortController();
    let now = 0;
    let looks = 0;
    const clock: Clock = {
      now: () => now,
      sleep: async (ms) => {
        now += ms;
        if (++looks === 4) stop.abort();
      },
    };
    const dial = async () => connect((server.address() as AddressInfo).port, '127.0.0.1');
    let text = '';
    const write = (more: string) => (text += more);
    await liveTable({ sidecars: () => new Map([['shop/web-1', dial]]), clock, terminal, write }, stop.signal);
    return text;
  }

  test('live table: a terminal shows the newest table alone, also one whose lines are wider than the terminal', async () => {
    for (const columns of [200, 40, 20]) {
      const rows = screen(await written({ columns: () => columns }), columns);
      assert.equal(rows.filter((row) => row.includes('SOURCE')).length, 1, rows.join('\n'));
      assert.equal(rows.filter((row) => row.includes('shop/web')).length, 1, rows.join('\n'));
    }
  });

  test('live table: without a terminal blocks follow each other', async () => {
    const text = await written(undefined);
    assert.equal(text.match(/SOURCE/g)?.length, 3);
    assert.doesNotMatch(text, /\x1b/);
  });
});
