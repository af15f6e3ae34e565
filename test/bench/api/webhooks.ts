import { Agent, request } from 'node:https';
import { convertSmi } from '../../../src/spec/convert.ts';
import type { JsonObject } from '../../../src/spec/conversion/json-object.ts';
import { loopbackWebhooks } from '../../control/loopback-webhooks.ts';
import { type Quantiles, quantilesOf } from './quantiles.ts';

const ROUNDS = 2_000;
const WARM_UP = 200;
const BACKENDS = 100;

/** The largest split that anybody has been seen to write is a tenth of this. */
function split(version: string, weight: (i: number) => unknown): JsonObject {
  const backends = Array.from({ length: BACKENDS }, (_, i) => ({ service: `web-v${i}`, weight: weight(i) }));
  const matches = version === 'v1alpha1' ? {} : { matches: [{ kind: 'HTTPRouteGroup', name: 'firefox' }] };
  return {
    apiVersion: `split.smi-spec.io/${version}`,
    kind: 'TrafficSplit',
    metadata: { name: 'web', namespace: 'shop', uid: 'u', resourceVersion: '1', generation: 1 },
    spec: { service: 'web', backends, ...matches },
  };
}

/** Conversion and admission of a split with 100 backends: the functions alone, and asked as an API server asks. */
export async function webhookLatencies(): Promise<ReadonlyMap<string, Quantiles>> {
  const newest = split('v1alpha4', (i) => i);
  const quantities = split('v1alpha1', (i) => `${i}500m`);
  const { server, port, ca } = await loopbackWebhooks();
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca });
  const convert = (object: JsonObject, desiredAPIVersion: string) => () =>
    post(agent, port, '/convert', { request: { uid: 'u', desiredAPIVersion, objects: [object] } });
  const admit = () =>
    post(agent, port, '/validate', { request: { uid: 'u', operation: 'UPDATE', object: newest, oldObject: newest } });
  try {
    return new Map([
      ['convert v1alpha4 to v1alpha2, in process', await timed(() => convertSmi(newest, 'split.smi-spec.io/v1alpha2'))],
      ['convert v1alpha1 with quantities to v1alpha4, in process', await timed(() => convertSmi(quantities, 'split.smi-spec.io/v1alpha4'))],
      ['convert v1alpha4 to v1alpha2, by webhook', await timed(convert(newest, 'split.smi-spec.io/v1alpha2'))],
      ['convert v1alpha1 with quantities to v1alpha4, by webhook', await timed(convert(quantities, 'split.smi-spec.io/v1alpha4'))],
      ['admission of an update, by webhook', await timed(admit)],
    ]); // prettier-ignore
  } finally {
    agent.destroy();
    await server.close();
  }
}

async function timed(work: () => unknown): Promise<Quantiles> {
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + ROUNDS; i += 1) {
    const start = performance.now();
    await work();
    if (i >= WARM_UP) times.push(performance.now() - start);
  }
  return quantilesOf(times);
}

function post(agent: Agent, port: number, path: string, body: unknown): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = { 'content-type': 'application/json', 'content-length': bytes.length };
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, method: 'POST', headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 && !text.includes('"Failure"') ? resolve() : reject(new Error(text)),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(bytes);
  });
}
