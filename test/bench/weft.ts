import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Resource } from '../../src/mesh/resources.ts';
import type { Column, PairFiles } from './bench.ts';
import { end, startReporting } from './processes.ts';

const PROGRAM = resolve(import.meta.dirname, '../../src/main/weft.cjs');

/** A pair of standalone sidecars with everything on: split, HTTP policy by path and method, identity, metrics. */
export async function weftPair(files: PairFiles): Promise<Column> {
  const port = await files.freePort();
  const tunnel = await files.freePort();
  const b = await start(files, 'b', { listeners: { tunnel: `127.0.0.1:${tunnel}` } }, inbound(files.appPort));
  const a = await start(
    files,
    'a',
    { listeners: { forward: [{ listen: `127.0.0.1:${port}`, destination: 'app.bench:80' }] }, tunnelPort: tunnel },
    outbound(files.appPort),
  );
  return {
    name: 'weft',
    port,
    pids: [a.pid ?? 0, b.pid ?? 0],
    stop: async () => void (await Promise.all([end(a), end(b)])),
  };
}

async function start(files: PairFiles, side: string, options: object, resources: readonly Resource[]) {
  const certificate = { chain: `${side}.pem`, key: `${side}.key`, trust: ['ca.pem'] };
  const file = join(files.dir, `weft-${side}.json`);
  writeFileSync(file, JSON.stringify({ ...options, certificate, resources }));
  const { child } = await startReporting(process.execPath, [
    '--max-semi-space-size=16',
    PROGRAM,
    'proxy',
    '--config',
    file,
  ]);
  return child;
}

function inbound(appPort: number): Resource[] {
  return [
    {
      type: 'inbound',
      key: 'inbound',
      mode: 'deny',
      ports: [{ number: appPort, protocol: 'detect' }],
      rules: [
        {
          name: 'TrafficTarget bench/all',
          principals: ['spiffe://bench.local/ns/bench/sa/a'],
          http: [{ name: 'all/get', pathRegex: '/.*', methods: ['GET'] }],
        },
      ],
      probes: [],
    },
  ];
}

function outbound(appPort: number): Resource[] {
  const backend = (service: string, weight: number) => ({
    namespace: 'bench',
    service,
    port: 80,
    weight,
    endpoints: `endpoints/bench/${service}/80`,
  });
  const endpoint = { address: '127.0.0.1', port: appPort, identity: 'spiffe://bench.local/ns/bench/sa/b' };
  return [
    {
      type: 'service',
      key: 'service/bench/app',
      namespace: 'bench',
      name: 'app',
      addresses: [],
      hostnames: ['app.bench'],
      ports: [
        {
          number: 80,
          protocol: 'detect',
          routes: [
            {
              name: 'TrafficSplit bench/app',
              tcp: true,
              policies: [],
              backends: [backend('app-v1', 90), backend('app-v2', 10)],
            },
          ],
        },
      ],
    },
    { type: 'endpoints', key: 'endpoints/bench/app-v1/80', endpoints: [endpoint] },
    { type: 'endpoints', key: 'endpoints/bench/app-v2/80', endpoints: [endpoint] },
  ];
}
