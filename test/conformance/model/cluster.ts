import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer, type WebSocket } from 'ws';
import { complete } from '../../../conformance/judge.ts';
import type { KubeObject } from '../../../conformance/kube.ts';
import type { Answer, Call, CallResult, Reply, RequestLine, Tally } from '../../../conformance/testapp/protocol.ts';
import type { FaultName } from '../faults.ts';
import { refusal } from './admission.ts';
import { ModelMesh } from './mesh.ts';
import { addressOf, World, type Stored } from './world.ts';

export interface ModelCluster {
  readonly kubeconfig: string;
  readonly world: World;
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
};

/** An API server with a model mesh behind it: enough of both to play every case of the suite over real sockets. */
export async function modelCluster(fault: FaultName | undefined, random: () => number): Promise<ModelCluster> {
  const world = new World();
  const mesh = new ModelMesh(world, fault, random);
  const server = createServer((request, response) => void answer(world, request, response));
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

async function answer(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  const reply = (code: number, body: unknown) =>
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  const path = new URL(request.url ?? '', 'http://model').pathname;
  const match = /^\/apis?\/(?:[^/]+\/)?v[^/]+(?:\/namespaces\/([^/]+)(?=\/))?\/([^/]+)(?:\/([^/]+))?$/.exec(path);
  const [, namespace = '', plural = '', name] = match ?? [];
  if (match === null) return void reply(200, { resources: RESOURCES });
  if (plural === 'events') return void reply(200, { items: events(world, namespace) });
  const kind = KINDS[plural] ?? plural;
  if (request.method === 'POST' || request.method === 'PATCH') {
    const object = JSON.parse(text) as KubeObject;
    const message = refusal(object);
    if (message !== undefined) return void reply(422, { message });
    const exists = world.get(kind, namespace, object.metadata.name) !== undefined;
    if (exists && request.method === 'POST') return void reply(409, { message: 'exists' });
    return void reply(201, world.put(object));
  }
  if (request.method === 'DELETE') return void reply(world.remove(kind, namespace, name ?? '') ? 200 : 404, {});
  if (name === undefined) return void reply(200, { items: world.list(kind, namespace).map(withStatus) });
  const object = world.get(kind, namespace, name);
  if (object === undefined) return void reply(404, { message: 'not found' });
  const table = {
    columnDefinitions: [{ name: 'Name' }, { name: 'Service' }],
    rows: [{ cells: [name, object.spec.service] }],
  };
  reply(200, request.headers.accept?.includes('as=Table') === true ? table : withStatus(object));
}

function withStatus(object: Stored): object {
  if (object.kind === 'Service') return { ...object, spec: { ...object.spec, clusterIP: addressOf(object) } };
  if (object.kind !== 'Pod') return object;
  return { ...object, status: { podIP: addressOf(object), conditions: [{ type: 'Ready', status: 'True' }] } };
}

/** The model's findings say everything about everything, so that whatever a case looks for is there. */
function events(world: World, namespace: string): object[] {
  const all = ['TrafficTarget', 'HTTPRouteGroup', 'TrafficSplit'].flatMap((kind) => world.list(kind, namespace));
  const ports = world.list('Service', namespace).flatMap(({ spec }) => (spec.ports ?? []).map(({ port }) => port));
  const everything = JSON.stringify([all, ports]);
  return all.map(({ kind, metadata }) => ({ involvedObject: { kind, name: metadata.name }, message: everything }));
}

const RESOURCES = [
  ['TrafficTarget', 'traffictarget', 'tt'],
  ['HTTPRouteGroup', 'httproutegroup', 'htr'],
  ['TCPRoute', 'tcproute', 'tr'],
  ['UDPRoute', 'udproute', 'ur'],
  ['TrafficSplit', 'trafficsplit', 'ts'],
].map(([kind, singularName, short]) => ({
  kind,
  name: `${singularName}s`,
  singularName,
  namespaced: true,
  shortNames: [short],
}));

/** Plays the driver of a pod: the lines of conformance/testapp/protocol.ts over the channels of exec. */
function drive(websocket: WebSocket, pod: Stored, mesh: ModelMesh, world: World): void {
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
    return kept === undefined ? { error: 'closed' } : mesh.ask(pod, kept.call, kept.connection);
  };
  async function perform(request: RequestLine): Promise<Reply> {
    switch (request.op) {
      case 'call':
        return { result: sendAll(mesh, pod, request.call) };
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
        return { seen: world.seen(pod, request.ids) };
    }
  }
}

function sendAll(mesh: ModelMesh, pod: Stored, call: Call): CallResult {
  const tallies = new Map<string, Tally>();
  const kept = Array.from({ length: call.concurrency ?? 1 }, () => ({}));
  const count = call.count ?? 1;
  for (let i = 0; i < count; i++) {
    const path = call.paths?.[i % call.paths.length];
    const connection = call.reuse === true ? (kept[i % kept.length] ?? {}) : {};
    const answer = { ...mesh.ask(pod, call, connection, path), ...(path === undefined ? {} : { path }) };
    const key = JSON.stringify(answer);
    tallies.set(key, { answer, count: (tallies.get(key)?.count ?? 0) + 1 });
  }
  return { sent: count, tallies: [...tallies.values()] };
}
