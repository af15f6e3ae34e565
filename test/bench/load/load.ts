import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Driver, type Lane } from './driver.ts';
import { GrpcConnection } from './grpc-client.ts';
import { Http1Lane } from './http1-lane.ts';
import type { IdleLoad, LoadReport, LoadSpec, RequestLoad } from './spec.ts';
import { stalledLoad } from './stalled.ts';
import { tcpLoad } from './tcp.ts';

// load.ts SPEC: the bench's load, on raw sockets so that it is cheaper than what it measures. Connects, prints `ready`,
// waits for a line on standard input, runs as SPEC says (JSON, see spec.ts), prints its report as a line of JSON and holds idle
// connections and stalled uploads until the next line.
const spec = JSON.parse(process.argv[2] ?? '') as LoadSpec;
const input = createInterface({ input: process.stdin });
/** A load whose bench is gone must not go on: what it would have said has no reader. */
input.on('close', () => process.exit());

async function ready(): Promise<void> {
  console.log('ready');
  await once(input, 'line');
}

async function requests(load: RequestLoad): Promise<LoadReport> {
  const driver = new Driver(load.ratePerSecond);
  const clients = connections(load, driver);
  if (load.kind !== 'http1-connect') await Promise.all(clients.map((client) => client.connect()));
  await ready();
  const report = await driver.run(
    clients.flatMap((client) => client.lanes),
    load.seconds,
  );
  for (const client of clients) client.close();
  return report;
}

interface Client {
  readonly lanes: readonly Lane[];
  connect(): Promise<void>;
  close(): void;
}

function connections(load: RequestLoad, driver: Driver): Client[] {
  const { kind, port, path, bodyBytes, streams } = load;
  const http1 = (): Client => {
    const lane = new Http1Lane({ driver, port, path, bodyBytes, reconnect: kind === 'http1-connect' });
    return { lanes: [lane], connect: () => lane.connect(), close: () => lane.close() };
  };
  const grpc = () => new GrpcConnection(driver, port, streams, kind === 'grpc-stream');
  return Array.from({ length: load.connections }, () => (kind.startsWith('http1') ? http1() : grpc()));
}

/** How many connections are being opened at once. */
const OPENING = 50;

async function idle({ port, path, bodyBytes, connections }: IdleLoad): Promise<LoadReport> {
  await ready();
  const begun = performance.now();
  let opened = 0;
  let failures = 0;
  let firstFailure = '';
  const opener = async () => {
    while (opened < connections) {
      opened++;
      const failure = await new Promise<string | undefined>((resolve) => {
        const driver = { done: (_: Lane, why?: string) => resolve(why) };
        const lane = new Http1Lane({ driver, port, path, bodyBytes, reconnect: false });
        lane.connect().then(
          () => lane.send(),
          (error: Error) => resolve(error.message),
        );
      });
      if (failure === undefined) continue;
      failures++;
      firstFailure ||= failure;
    }
  };
  await Promise.all(Array.from({ length: OPENING }, opener));
  const perSecond = (connections * 1000) / (performance.now() - begun);
  return {
    units: connections - failures,
    failures,
    firstFailure,
    perSecond,
    p50Ms: 0,
    p99Ms: 0,
    p999Ms: 0,
    late99Ms: 0,
  };
}

async function run(): Promise<LoadReport> {
  switch (spec.kind) {
    case 'tcp':
      return tcpLoad(spec, ready);
    case 'idle':
      return idle(spec);
    case 'stalled':
      return stalledLoad(spec, ready);
    default:
      return requests(spec);
  }
}

console.log(JSON.stringify(await run()));
