import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubernetesClient } from '../../../src/kubernetes/client.ts';
import { MERGE_PATCH } from '../../../src/kubernetes/api.ts';
import { eventually, startMesh } from '../../system/local-mesh.ts';
import { type Quantiles, quantilesOf } from './quantiles.ts';

const ROUNDS = 20;

/** Asks the root again and again, and writes down the moment when somebody else begins to answer. */
const CLIENT = `
const { get } = require('node:http');
const { appendFileSync } = require('node:fs');
let last = '';
(function ask() {
  get('http://web:8080/', (answer) => {
    let text = '';
    answer.on('data', (chunk) => (text += chunk));
    answer.on('end', () => {
      if (text !== last) appendFileSync(process.env.CHANGES, Date.now() + ' ' + (last = text) + '\\n');
      setTimeout(ask, 2);
    });
  }).on('error', () => setTimeout(ask, 20));
})();`;
const SERVER = `require('node:http').createServer((_, answer) => answer.end(process.env.ME)).listen(8080, process.env.POD_IP)`;

/** From `kubectl apply` of a split to the first request that follows it, in local mode with a real sidecar on each side. */
export async function applyLatencies(isolation: string): Promise<ReadonlyMap<string, Quantiles>> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-bench-api-'));
  const changes = join(folder, 'changes');
  const mesh = await startMesh(['--no-demo', '--isolation', isolation]);
  const apply = async (manifest: string) => {
    const { code, stderr } = await mesh.kubectl(['apply', '-f', '-'], manifest);
    if (code !== 0) throw new Error(stderr);
  };
  /** The same write without the start of kubectl, which is most of the time on a busy machine. */
  const patch = async (to: string) => {
    const client = await kubernetesClient({ kubeconfigPath: mesh.kubeconfig });
    const path = '/apis/split.smi-spec.io/v1alpha2/namespaces/default/trafficsplits/web';
    const body = { spec: { backends: backends(to) } };
    try {
      await client.api.call({ method: 'GET', path }, AbortSignal.timeout(10_000)); // opens the connection
      const begun = Date.now();
      await client.api.call({ method: 'PATCH', path, body, contentType: MERGE_PATCH }, AbortSignal.timeout(10_000));
      return begun;
    } finally {
      client.close();
    }
  };
  const all: number[] = [];
  const after: number[] = [];
  const patched: number[] = [];
  try {
    await apply([service('web', 'v1'), service('web-v1', 'v1'), service('web-v2', 'v2')].join('---\n'));
    await apply([pod('v1', SERVER), pod('v2', SERVER), pod('client', CLIENT, changes)].join(''));
    await eventually(() => Promise.resolve(changeTo(changes, 'v1')), 60_000);
    for (let round = 0; round < ROUNDS; round += 1) {
      const to = round % 2 === 0 ? 'v2' : 'v1';
      const known = lines(changes).length;
      const begun = Date.now();
      await apply(split(to));
      const applied = Date.now();
      const seen = await eventually(() => Promise.resolve(changeTo(changes, to, known)));
      all.push(seen - begun);
      after.push(Math.max(0, seen - applied));
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      const to = round % 2 === 0 ? 'v2' : 'v1';
      const known = lines(changes).length;
      const begun = await patch(to);
      patched.push((await eventually(() => Promise.resolve(changeTo(changes, to, known)))) - begun);
    }
  } finally {
    await mesh.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return new Map([
    ['from the start of kubectl apply to the first request that follows', quantilesOf(all)],
    ['from the end of kubectl apply to the first request that follows', quantilesOf(after)],
    ['from a client sending a PATCH to the first request that follows', quantilesOf(patched)],
  ]);
}

function lines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}

/** When `name` began to answer. @throws while it has not */
function changeTo(file: string, name: string, after = 0): number {
  const found = lines(file)
    .slice(after)
    .find((line) => line.endsWith(` ${name}`));
  if (found === undefined) throw new Error(`${name} does not answer`);
  return Number(found.split(' ')[0]);
}

function service(name: string, app: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${app} }, ports: [{ port: 8080 }] }
`;
}

function pod(name: string, script: string, changes = ''): string {
  const env = [
    { name: 'ME', value: name },
    { name: 'CHANGES', value: changes },
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
  ];
  const containers = [{ name: 'app', image: 'none', command: ['node', '-e', script], env }];
  return `${JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } }, spec: { containers } })}\n`;
}

function split(to: string): string {
  return JSON.stringify({
    apiVersion: 'split.smi-spec.io/v1alpha2',
    kind: 'TrafficSplit',
    metadata: { name: 'web' },
    spec: { service: 'web', backends: backends(to) },
  });
}

function backends(to: string) {
  return ['v1', 'v2'].map((name) => ({ service: `web-${name}`, weight: name === to ? 100 : 0 }));
}
