import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AccessRule, Resource, WorkloadResource } from '../../../src/mesh/resources.ts';
import type { Column, ColumnKind, Site } from '../column.ts';
import { startReporting, stopAll } from '../processes.ts';

const CHECKOUT = resolve(import.meta.dirname, '../../..');
const version = () => ({ found: `on Node ${process.version}` });

/** Everything on: identity, a split, policy `deny` with an HTTP rule by path and method, metrics. */
export const weft: ColumnKind = {
  id: 'weft',
  title: 'Weft',
  version,
  start: (site) => startPair(site, true, CHECKOUT),
};

/** The Weft of another checkout, with everything on: what a change has brought is the difference to this. */
export function weftOf(checkout: string): ColumnKind {
  const start: ColumnKind['start'] = (site) => startPair(site, true, resolve(checkout));
  return { id: 'weft-other', title: 'Weft, the other checkout', version, start };
}

/** What policy, split and metrics cost is the difference to this. */
export const weftBare: ColumnKind = {
  id: 'weft-bare',
  title: 'Weft, policy and metrics off',
  version,
  start: (site) => startPair(site, false, CHECKOUT),
};

async function startPair(site: Site, features: boolean, checkout: string): Promise<Column> {
  const { app } = site;
  const [http1, grpc, tcp, oneHop, oneHopTcp, tunnel] = await Promise.all(
    Array.from({ length: 6 }, () => site.freePort()),
  );
  const forward = (port: number, destination: string) => ({ listen: `127.0.0.1:${port}`, destination });
  const listeners = { tunnel: `127.0.0.1:${tunnel}` };
  const far = await run(site, 'b', checkout, features, { listeners }, inbound(site, features));
  const near = await run(
    site,
    'a',
    checkout,
    features,
    {
      listeners: {
        forward: [
          forward(http1!, 'app.bench:80'),
          forward(grpc!, 'grpc.bench:80'),
          forward(tcp!, 'tcp.bench:80'),
          forward(oneHop!, 'plain.bench:80'),
          forward(oneHopTcp!, 'plain-tcp.bench:80'),
        ],
      },
      tunnelPort: tunnel,
    },
    [
      workload('a'),
      ...service('app', app.http1, 'detect', features),
      ...service('grpc', app.grpc, 'detect', features),
      ...service('tcp', app.tcp, 'tcp', features),
      ...service('plain', app.http1, 'detect', features, {}),
      ...service('plain-tcp', app.tcp, 'tcp', features, {}),
    ],
  );
  const pids = [near.pid!, far.pid!];
  return {
    entries: {
      http1: { port: http1!, pids },
      grpc: { port: grpc!, pids },
      tcp: { port: tcp!, pids },
      oneHop: { port: oneHop!, pids: [near.pid!] },
      oneHopTcp: { port: oneHopTcp!, pids: [near.pid!] },
    },
    stop: () => stopAll([near, far]),
  };
}

async function run(
  { dir, workers, profiles }: Site,
  side: string,
  checkout: string,
  features: boolean,
  options: object,
  resources: readonly Resource[],
) {
  const certificate = { chain: `${side}.pem`, key: `${side}.key`, trust: ['ca.pem'] };
  const file = join(dir, `weft-${side}.json`);
  const metrics = features ? {} : { metrics: false };
  const { SIDECAR_FLAGS } = await sidecarFlags(checkout);
  writeFileSync(file, JSON.stringify({ ...options, ...metrics, certificate, resources }, undefined, 2));
  const { child } = await startReporting(process.execPath, [
    ...SIDECAR_FLAGS,
    ...(profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]),
    join(checkout, 'src/main/weft.cjs'),
    'proxy',
    '--config',
    file,
    '--concurrency',
    String(workers),
  ]);
  return child;
}

/** The options of Node that this checkout's sidecars have. */
function sidecarFlags(checkout: string): Promise<{ readonly SIDECAR_FLAGS: readonly string[] }> {
  return import(pathToFileURL(join(checkout, 'src/main/sidecar-flags.ts')).href);
}

const identity = (side: string) => `spiffe://bench.local/ns/bench/sa/${side}`;

function workload(side: string): WorkloadResource {
  return {
    type: 'workload',
    key: 'workload',
    trustDomain: 'bench.local',
    identity: identity(side),
    labels: { namespace: 'bench', pod: `${side}-0`, serviceAccount: side, ownerKind: 'deployment', owner: side },
    opaquePorts: [],
  };
}

function inbound({ app }: Site, features: boolean): Resource[] {
  const principals = [identity('a')];
  const http: AccessRule[] = [
    {
      name: 'TrafficTarget bench/http',
      principals,
      ports: [app.http1],
      http: [{ name: 'http/get', pathRegex: '/.*', methods: ['GET', 'POST'] }],
    },
    {
      name: 'TrafficTarget bench/grpc',
      principals,
      ports: [app.grpc],
      http: [{ name: 'grpc/calls', pathRegex: '/bench\\.Echo/.*', methods: ['POST'] }],
    },
    { name: 'TrafficTarget bench/tcp', principals, ports: [app.tcp] },
  ];
  return [
    workload('b'),
    {
      type: 'inbound',
      key: 'inbound',
      mode: features ? 'deny' : 'permissive',
      ports: [
        { number: app.http1, protocol: 'detect' },
        { number: app.grpc, protocol: 'http2' },
        { number: app.tcp, protocol: 'tcp' },
      ],
      rules: features ? http : [],
      probes: [],
    },
  ];
}

/** A Service and what is behind it; with a split in two where features are on. */
function service(
  name: string,
  port: number,
  protocol: 'detect' | 'tcp',
  split: boolean,
  identified: { identity?: string } = { identity: identity('b') },
): Resource[] {
  const shares: [string, number][] = split
    ? [
        [`${name}-v1`, 90],
        [`${name}-v2`, 10],
      ]
    : [[name, 1]];
  const key = (backend: string) => `endpoints/bench/${backend}/80`;
  const backends = shares.map(([backend, weight]) => {
    return { namespace: 'bench', service: backend, port: 80, weight, endpoints: key(backend) };
  });
  return [
    {
      type: 'service',
      key: `service/bench/${name}`,
      namespace: 'bench',
      name,
      addresses: [],
      hostnames: [`${name}.bench`],
      ports: [
        { number: 80, protocol, routes: [{ name: `TrafficSplit bench/${name}`, tcp: true, policies: [], backends }] },
      ],
    },
    ...shares.map(([backend]): Resource => {
      return { type: 'endpoints', key: key(backend), endpoints: [{ address: '127.0.0.1', port, ...identified }] };
    }),
  ];
}
