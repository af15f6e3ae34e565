import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SIDECAR_FLAGS } from '../../src/main/sidecar-flags.ts';
import type { HttpMatch, PolicyMode, PortProtocol, Resource } from '../../src/mesh/resources.ts';
import { writeCertificates } from '../bench/certificates.ts';
import { end, startReporting } from '../bench/processes.ts';
import type { SuiteContext } from './suite.ts';

const PROGRAM = resolve(import.meta.dirname, '../../src/main/weft.cjs');

export interface PairOptions {
  readonly appPort: number;
  /** Another app of the same pod, behind the same sidecars, at `besidePort`. */
  readonly besidePort?: number;
  /** What the Service says that the app speaks. */
  readonly protocol?: PortProtocol;
  readonly mode?: PolicyMode;
  /** What the caller may do in mode deny; default: every HTTP request. */
  readonly http?: readonly HttpMatch[];
  /** Further options of Node for both sidecars. */
  readonly nodeOptions?: readonly string[];
}

/** Where a pair has its files, and what ends it. */
export type Place = Pick<SuiteContext, 'dir' | 'after'>;

/** Two sidecars as processes of their own: client -> `port` (A) = mutual TLS => `tunnelPort` (B) -> app. */
export interface Pair {
  readonly port: number;
  /** Leads to the app beside it; 0 where there is none. */
  readonly besidePort: number;
  readonly tunnelPort: number;
  /** Plain listener of B that stands for the app's port: callers without a sidecar. */
  readonly plainPort: number;
  readonly a: ChildProcess;
  readonly b: ChildProcess;
  readonly pids: readonly number[];
  /** Files with what each says on standard error. */
  readonly logs: readonly string[];
}

/** Starts a pair in front of `127.0.0.1:appPort`; it ends with the suite. */
export async function startPair(context: Place, options: PairOptions): Promise<Pair> {
  const dir = context.dir;
  await writeCertificates(dir);
  const [port, tunnelPort, plainPort] = [await freePort(), await freePort(), await freePort()];
  const besidePort = options.besidePort === undefined ? 0 : await freePort();
  const b = await startSidecar(context, 'b', options, {
    listeners: {
      tunnel: `127.0.0.1:${tunnelPort}`,
      forward: [{ listen: `127.0.0.1:${plainPort}`, destination: `127.0.0.1:${options.appPort}` }],
    },
    resources: [inbound(options)],
  });
  const a = await startSidecar(context, 'a', options, {
    listeners: {
      forward: [
        { listen: `127.0.0.1:${port}`, destination: 'app.bench:80' },
        ...(options.besidePort === undefined
          ? []
          : [{ listen: `127.0.0.1:${besidePort}`, destination: 'beside.bench:80' }]),
      ],
    },
    tunnelPort,
    resources: [
      ...service('app', options.appPort, options.protocol),
      ...(options.besidePort === undefined ? [] : service('beside', options.besidePort, options.protocol)),
    ],
  });
  const logs = ['a', 'b'].map((side) => logOf(context, side));
  return { port, besidePort, tunnelPort, plainPort, a, b, pids: [a.pid!, b.pid!], logs };
}

async function startSidecar(
  context: Place,
  side: string,
  { nodeOptions = [] }: PairOptions,
  file: object,
): Promise<ChildProcess> {
  const certificate = { chain: `${side}.pem`, key: `${side}.key`, trust: ['ca.pem'] };
  const path = join(context.dir, `${side}-${Math.random().toString(36).slice(2)}.json`);
  writeFileSync(path, JSON.stringify({ ...file, certificate }));
  const command = [process.execPath, ...SIDECAR_FLAGS, ...nodeOptions, PROGRAM, 'proxy', '--config', path];
  const { child } = await startReporting('sh', ['-c', 'exec "$@" 2>>"$0"', logOf(context, side), ...command]);
  context.after(() => end(child));
  return child;
}

function logOf({ dir }: Place, side: string): string {
  return join(dir, `${side}.log`);
}

/** Waits until something listens there. @throws after 10 s */
export async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (up) return;
    await sleep(50);
  }
  throw new Error(`nothing listens on 127.0.0.1:${port}`);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return (await tryPort(0))!;
}

/** The first of so many neighbouring ports that were free a moment ago, below those that outgoing connections take. */
export async function freePorts(count: number): Promise<number> {
  for (let first = 20_000; first + count < 32_000; first += count) {
    const ports = await Promise.all(Array.from({ length: count }, (_, i) => tryPort(first + i)));
    if (!ports.includes(undefined)) return first;
  }
  throw new Error(`there are no ${count} free ports in a row`);
}

async function tryPort(wanted: number): Promise<number | undefined> {
  const server = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(wanted, '127.0.0.1', () => resolve(true));
  });
  if (!listens) return undefined;
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

function inbound({ appPort, besidePort, protocol = 'detect', mode = 'deny', http }: PairOptions): Resource {
  return {
    type: 'inbound',
    key: 'inbound',
    mode,
    ports: [appPort, ...(besidePort === undefined ? [] : [besidePort])].map((number) => ({ number, protocol })),
    rules: [
      {
        name: 'TrafficTarget bench/all',
        principals: ['spiffe://bench.local/ns/bench/sa/a'],
        http: http ?? [{ name: 'all/any', pathRegex: '.*' }],
      },
    ],
    probes: [],
  };
}

function service(name: string, appPort: number, protocol: PortProtocol = 'detect'): Resource[] {
  const endpoints = `endpoints/bench/${name}/80`;
  const backend = { namespace: 'bench', service: name, port: 80, weight: 1, endpoints };
  return [
    {
      type: 'service',
      key: `service/bench/${name}`,
      namespace: 'bench',
      name,
      addresses: [],
      hostnames: [`${name}.bench`, name],
      ports: [
        {
          number: 80,
          protocol,
          routes: [{ name: `Service bench/${name}`, tcp: true, policies: [], backends: [backend] }],
        },
      ],
    },
    {
      type: 'endpoints',
      key: endpoints,
      endpoints: [{ address: '127.0.0.1', port: appPort, identity: 'spiffe://bench.local/ns/bench/sa/b' }],
    },
  ];
}
