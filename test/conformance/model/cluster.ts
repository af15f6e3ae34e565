import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import { complete } from '../../../conformance/judge.ts';
import type { KubeObject } from '../../../conformance/kube.ts';
import type { Answer, Call, CallResult, Reply, RequestLine, Tally } from '../../../conformance/testapp/protocol.ts';
import type { FaultName } from '../faults.ts';
import type { Controls } from '../../../conformance/controls.ts';
import { refusal } from './admission.ts';
import { ModelMesh } from './mesh.ts';
import { conditionsOf } from './status.ts';
import { kept, resourcesOf, shown, versionOf } from './versions.ts';
import { addressOf, isReady, World, type Stored } from './world.ts';

export interface ModelCluster {
  readonly kubeconfig: string;
  readonly world: World;
  readonly controls: Controls;
  close(): void;
}

const KINDS: Readonly<Record<string, string>> = {
  namespaces: 'Namespace',
  serviceaccounts: 'ServiceAccount',
  services: 'Service',
  pods: 'Pod',
  traffictargets: 'TrafficTarget',
  httproutegroups: 'HTTPRouteGroup',
  tcproutes: 'TCPRoute',
  udproutes: 'UDPRoute',
  trafficsplits: 'TrafficSplit',
  identitybindings: 'IdentityBinding',
  customresourcedefinitions: 'CustomResourceDefinition',
};
const SMI = ['TrafficTarget', 'IdentityBinding', 'HTTPRouteGroup', 'TCPRoute', 'UDPRoute', 'TrafficSplit'];

/** An API server with a model mesh behind it: enough of both to play every case of the suite over real sockets. */
export async function modelCluster(fault: FaultName | undefined, random: () => number): Promise<ModelCluster> {
  const world = new World();
  const mesh = new ModelMesh(world, fault, random);
  const server = createServer((request, response) => void answer(world, fault, request, response));
  const websockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v5.channel.k8s.io' });
  server.on('upgrade', (request, socket, head) => {
    const [, namespace = '', name = ''] = /\/namespaces\/([^/]+)\/pods\/([^/]+)\/exec/.exec(request.url ?? '') ?? [];
    const pod = world.get('Pod', namespace, name);
    if (pod === undefined) socket.end('HTTP/1.1 404 Not Found\r\n\r\n');
    else websockets.handleUpgrade(request, socket, head, (websocket) => drive(websocket, pod, mesh, world));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    world,
    controls: {
      controlPlane: {
        stop: async () => void (mesh.controlPlaneStopped = true),
        start: async () => void (mesh.controlPlaneStopped = false),
      },
      restartProxy: async (namespace, pod) => world.begin(namespace, pod),
    },
    kubeconfig: JSON.stringify({
      clusters: [{ name: 'model', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'model', user: {} }],
      contexts: [{ name: 'model', context: { cluster: 'model', user: 'model' } }],
      'current-context': 'model',
    }),
    close() {
      for (const client of websockets.clients) client.terminate();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(
  world: World,
  fault: FaultName | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  const reply = (code: number, body: unknown) =>
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const path = new URL(request.url ?? '', 'http://model').pathname;
  const match = /^\/apis?\/((?:[^/]+\/)?v[^/]+)(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?$/.exec(path);
  const [, apiVersion = '', namespace = '', plural = '', name] = match ?? [];
  if (match === null) {
    const [group = '', version = ''] = path.split('/').slice(2);
    return void reply(200, { resources: resourcesOf(group, version) });
  }
  const silent = fault === 'say-nothing';
  if (plural === 'events') return void reply(200, { items: silent ? [] : events(world, namespace) });
  const kind = KINDS[plural] ?? plural;
  if (kind === 'CustomResourceDefinition') return void reply(200, CRD);
  const show = (stored: Stored) => asShown(world, stored, apiVersion, silent);
  const found = name === undefined ? undefined : world.get(kind, namespace, name);
  if (request.method === 'POST' || request.method === 'PATCH' || request.method === 'PUT') {
    const sent = JSON.parse(text) as KubeObject;
    if (request.method !== 'POST' && found === undefined) return void reply(404, { message: 'not found' });
    const object = request.method === 'PATCH' ? merged(show(found!), sent) : sent;
    const message = refusal(object);
    if (message !== undefined) return void reply(422, { message });
    const before = world.get(kind, namespace, object.metadata.name);
    if (before !== undefined && request.method === 'POST') return void reply(409, { message: 'exists' });
    const { apiVersion: _v, kind: _k, metadata, status: _s, order: _o, number: _n, bornMs: _b, ...content } = object;
    const spec = SMI.includes(kind)
      ? { spec: kept(object, fault === 'convert-widens' ? undefined : before) }
      : (content as object);
    return void reply(201, show(world.put({ apiVersion, kind, metadata, ...spec })));
  }
  if (request.method === 'DELETE') return void reply(world.remove(kind, namespace, name ?? '') ? 200 : 404, {});
  if (name === undefined) return void reply(200, { items: world.list(kind, namespace).map(show) });
  if (found === undefined) return void reply(404, { message: 'not found' });
  const table = {
    columnDefinitions: [{ name: 'Name' }, { name: 'Service' }],
    rows: [{ cells: [name, found.spec.service] }],
  };
  reply(200, request.headers.accept?.includes('as=Table') === true ? table : show(found));
}

/** What of a CRD the suite changes. The model stores everything in one form, whatever it is told. */
const CRD = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'trafficsplits.split.smi-spec.io' },
  spec: { versions: ['v1alpha1', 'v1alpha4'].map((name) => ({ name, storage: name === 'v1alpha4' })) },
};

/** An object as a client of that version is shown it. */
function asShown(world: World, object: Stored, apiVersion: string, silent: boolean): KubeObject {
  const { kind, metadata, spec } = object;
  if (SMI.includes(kind)) {
    const status = silent ? {} : { conditions: conditionsOf(world, object) };
    const content = shown(kind, spec as Record<string, unknown>, versionOf({ apiVersion }));
    return { apiVersion, kind, metadata: { ...metadata, generation: 1 }, ...content, status };
  }
  if (kind === 'Service') return { ...object, spec: { ...spec, clusterIP: addressOf(object) } };
  if (kind !== 'Pod') return object;
  const ready = isReady(object);
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  const containerStatuses = [{ name: 'app', ready, restartCount: 0, state: { running: {} } }];
  return { ...object, status: { podIP: addressOf(object), conditions, containerStatuses } };
}

/** RFC 7386 */
function merged<T>(target: T, change: unknown): T {
  if (typeof change !== 'object' || change === null || Array.isArray(change)) return change as T;
  const result: Record<string, unknown> = { ...(target as Record<string, unknown> | undefined) };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result as T;
}

/** The model's findings say everything about everything, so that whatever a case looks for is there. */
function events(world: World, namespace: string): object[] {
  const all = ['TrafficTarget', 'HTTPRouteGroup', 'TrafficSplit'].flatMap((kind) => world.list(kind, namespace));
  const ports = world.list('Service', namespace).flatMap(({ spec }) => (spec.ports ?? []).map(({ port }) => port));
  const everything = JSON.stringify([all, ports]);
  return all.map(({ kind, metadata }) => ({ involvedObject: { kind, name: metadata.name }, message: everything }));
}

/** Plays the driver of a pod: the lines of conformance/testapp/protocol.ts over the channels of exec. */
function drive(websocket: WebSocket, started: Stored, mesh: ModelMesh, world: World): void {
  const { namespace, name } = started.metadata;
  const self = () => world.get('Pod', namespace, name) ?? started; // its labels may have changed
  const held = new Map<string, { readonly call: Call; readonly connection: object }>();
  let text = '';
  websocket.on('message', (message: Buffer) => {
    if (message[0] !== 0) return;
    text += message.subarray(1).toString();
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const request = JSON.parse(line) as RequestLine;
      void perform(request).then((reply) => {
        const payload = Buffer.from(JSON.stringify({ n: request.n, ...reply }) + '\n');
        websocket.send(Buffer.concat([Buffer.from([1]), payload]));
      });
    }
  });
  const again = (key: string): Answer => {
    const kept = held.get(key);
    return kept === undefined ? { error: 'closed' } : mesh.ask(self(), kept.call, kept.connection);
  };
  async function perform(request: RequestLine): Promise<Reply> {
    switch (request.op) {
      case 'call':
        return { result: sendAll(mesh, self(), request.call) };
      case 'start':
      case 'open': {
        const key = `key-${request.n}`;
        held.set(key, { call: request.call, connection: {} });
        return { key, answer: again(key) };
      }
      case 'finish':
        return { result: { sent: 1, tallies: [{ answer: again(request.key), count: 1 }] } };
      case 'again':
        return { answer: again(request.key) };
      case 'closed': {
        for (let waited = 0; complete(again(request.key)) && waited < request.waitMs; waited += 10) await sleep(10);
        return { closed: !complete(again(request.key)) };
      }
      case 'close':
        held.delete(request.key);
        return {};
      case 'seen':
        return { seen: world.seen(self(), request.ids) };
    }
  }
}

function sendAll(mesh: ModelMesh, pod: Stored, call: Call): CallResult {
  const tallies = new Map<string, Tally>();
  const workers = call.concurrency ?? 1;
  const kept: object[] = [];
  const perConnection = call.reuse === true ? Infinity : (call.perConnection ?? 1);
  const count = call.count ?? 1;
  for (let i = 0; i < count; i++) {
    const path = call.paths?.[i % call.paths.length];
    if (Math.floor(i / workers) % perConnection === 0) kept[i % workers] = {};
    const answer = { ...mesh.ask(pod, call, kept[i % workers] ?? {}, path), ...(path === undefined ? {} : { path }) };
    const key = JSON.stringify(answer);
    tallies.set(key, { answer, count: (tallies.get(key)?.count ?? 0) + 1 });
  }
  return { sent: count, tallies: [...tallies.values()] };
}
