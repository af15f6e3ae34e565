import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';
import grpc from '@grpc/grpc-js';
import { WebSocket, WebSocketServer } from 'ws';
import { allow, eventually, testMesh, type TestMesh, type Workload } from './mesh.ts';

const LIMIT = { timeout: 30_000 };

const bytes = (value: Buffer) => value;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/shop.Cart/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
});
const service = {
  add: method('Add', false, false),
  chat: method('Chat', true, true),
  fail: method('Fail', false, false),
};

/** A gRPC server with a unary, a bidirectional and a failing method. */
async function grpcServer(address: string, port: number): Promise<{ close(): void }> {
  const server = new grpc.Server();
  server.addService(service, {
    add(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      const trailer = new grpc.Metadata();
      trailer.set('x-trailer', 'yes');
      done(null, Buffer.from(`added ${String(call.request)}`), trailer);
    },
    chat(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      call.on('data', (chunk: Buffer) => call.write(Buffer.from(`re: ${String(chunk)}`)));
      call.on('end', () => call.end());
    },
    fail(_call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      done({ code: grpc.status.NOT_FOUND, details: 'no such item' });
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`${address}:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  return { close: () => server.forceShutdown() };
}

interface Called {
  readonly error: grpc.ServiceError | null;
  readonly answer: string;
}

interface CartClient extends grpc.Client {
  add(request: Buffer, done: (error: grpc.ServiceError | null, answer?: Buffer) => void): grpc.ClientUnaryCall;
  fail(request: Buffer, done: (error: grpc.ServiceError | null, answer?: Buffer) => void): grpc.ClientUnaryCall;
  chat(): grpc.ClientDuplexStream<Buffer, Buffer>;
}

async function scene(mesh: TestMesh): Promise<{ web: Workload; cart: Workload; client: CartClient }> {
  const address = '10.96.0.7';
  const cart = await mesh.workload('cart', { listen: grpcServer });
  // gRPC's own CONNECT support reads the environment; a listener that is for one destination does as well
  const web = await mesh.workload('web', {
    forward: 'cart:80',
  });
  mesh.service('cart', { to: [cart], address });
  mesh.apply();
  const { host, port } = web.listener('forward');
  const Client = grpc.makeGenericClientConstructor(service, 'Cart');
  const client = new Client(`${host}:${port}`, grpc.credentials.createInsecure()) as unknown as CartClient;
  return { web, cart, client };
}

function call(client: CartClient, name: 'add' | 'fail'): Promise<Called> {
  return new Promise((resolve) => {
    client[name](Buffer.from('apple'), (error, answer) => resolve({ error, answer: String(answer) }));
  });
}

test('grpc: unary and streaming calls pass with their trailers, failures count as what they are', LIMIT, async (t) => {
  const { web, cart, client } = await scene(testMesh(t));
  t.after(() => client.close());
  assert.deepEqual(await call(client, 'add'), { error: null, answer: 'added apple' });
  const failed = await call(client, 'fail');
  assert.deepEqual([failed.error?.code, failed.error?.details], [grpc.status.NOT_FOUND, 'no such item']);
  const chat = client.chat();
  const heard: string[] = [];
  chat.on('data', (chunk: Buffer) => heard.push(String(chunk)));
  for (const word of ['one', 'two', 'three']) {
    chat.write(Buffer.from(word));
    await eventually(() => heard.at(-1) === `re: ${word}`);
  }
  chat.end();
  await once(chat, 'end');
  await eventually(() => cart.total((s) => s.requests) === 3);
  for (const side of [web, cart])
    assert.deepEqual([side.total((s) => s.successes), side.total((s) => s.failures)], [2, 1]);
});

test('grpc: a denial is a status of gRPC in a trailers-only answer (A13)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const { cart, client } = await scene(mesh);
  t.after(() => client.close());
  mesh.policy(cart, { mode: 'deny' });
  mesh.apply();
  const { error } = await call(client, 'add');
  assert.equal(error?.code, grpc.status.PERMISSION_DENIED);
  assert.match(error.details, /ACCESS_DENIED/);
  assert.deepEqual(error.metadata.get('x-weft-reason'), ['ACCESS_DENIED']);
});

test('grpc: when nobody is there the call is unavailable', LIMIT, async (t) => {
  const { cart, client } = await scene(testMesh(t));
  t.after(() => client.close());
  await cart.stop();
  const { error } = await call(client, 'add');
  assert.equal(error?.code, grpc.status.UNAVAILABLE);
});

test('http2: requests of one connection are split one by one (S16)', LIMIT, async (t) => {
  const mesh = testMesh(t);
  const h2 = (name: string) => async (address: string, port: number) => {
    const server = http2.createServer((_req, res) => res.end(name));
    await once(server.listen(port, address), 'listening');
    return { close: () => server.close() };
  };
  const web = await mesh.workload('web', { forward: 'cart:80' });
  const v1 = await mesh.workload('v1', { listen: h2('v1') });
  const v2 = await mesh.workload('v2', { listen: h2('v2') });
  mesh.service('cart', { to: [] });
  mesh.service('v1', { to: [v1] });
  mesh.service('v2', { to: [v2] });
  mesh.split('cart', { v1: 50, v2: 50 });
  mesh.apply();
  const { host, port } = web.listener('forward');
  const session = http2.connect(`http://${host}:${port}`);
  t.after(() => session.destroy());
  const answers = await Promise.all(
    Array.from({ length: 60 }, async () => {
      const stream = session.request({ ':path': '/' });
      let body = '';
      stream.on('data', (chunk) => (body += String(chunk)));
      await once(stream, 'end');
      return body;
    }),
  );
  assert.deepEqual([...new Set(answers)].sort(), ['v1', 'v2']); // one name only: 2 in 2^60
});

/** A WebSocket through the sidecar of `web`, as an app behind a proxy opens it. */
function open(web: Workload, path: string): WebSocket {
  const { host, port } = web.listener('forward');
  return new WebSocket(`ws://${host}:${port}${path}`);
}

async function chatServer(mesh: TestMesh): Promise<{ web: Workload; chat: Workload }> {
  const web = await mesh.workload('web', { forward: 'chat:80' });
  const chat = await mesh.workload('chat', {
    async listen(address, port) {
      const server = http.createServer((_req, res) => res.end('no upgrade'));
      const sockets = new WebSocketServer({ server, path: '/ws' });
      sockets.on('connection', (socket) => {
        socket.send('welcome');
        socket.on('message', (data, binary) => socket.send(data, { binary }));
      });
      await once(server.listen(port, address), 'listening');
      return {
        close() {
          for (const socket of sockets.clients) socket.terminate();
          server.close();
        },
      };
    },
  });
  mesh.service('chat', { to: [chat] });
  mesh.apply();
  return { web, chat };
}

test('websocket: text and large binary messages go both ways, and it closes in order', LIMIT, async (t) => {
  const { web, chat } = await chatServer(testMesh(t));
  const socket = open(web, '/ws');
  const messages: Buffer[] = [];
  socket.on('message', (data) => messages.push(data as Buffer));
  await once(socket, 'open');
  const large = Buffer.alloc(300_000, 5);
  socket.send('text');
  socket.send(large);
  await eventually(() => messages.length === 3);
  assert.deepEqual(
    messages.map((m) => m.length),
    [7, 4, large.length],
  );
  assert.ok(messages[2]!.equals(large));
  socket.close(1000, 'done');
  const [code] = (await once(socket, 'close')) as [number];
  assert.equal(code, 1000);
  await eventually(() => chat.proxy!.describe().exchanges === 0 && web.proxy!.describe().exchanges === 0);
  assert.equal(
    chat.total((s) => s.requests),
    1,
  );
});

test(
  'websocket: it is judged as the GET it is, refused with a status, and ended when its grant goes (A19, H14)',
  LIMIT,
  async (t) => {
    const mesh = testMesh(t);
    const { web, chat } = await chatServer(mesh);
    mesh.policy(chat, { mode: 'deny', rules: [allow(web, [{ name: 'ws', pathRegex: '/ws$', methods: ['GET'] }])] });
    mesh.apply();
    const socket = open(web, '/ws');
    await once(socket, 'message');
    const [error] = (await once(open(web, '/other'), 'error')) as [Error];
    assert.match(error.message, /403/);
    mesh.policy(chat, { mode: 'deny' });
    mesh.apply();
    await new Promise((resolve) => socket.on('error', () => {}).on('close', resolve));
  },
);
