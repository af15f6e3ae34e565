import { once } from 'node:events';
import type { Agent, ClientRequest, IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { Logger } from '../../base/log.ts';
import { http } from '../../base/node-http.ts';
import { dial, type Route } from './dial.ts';
import { GrpcClient, serveGrpc } from './grpc.ts';

/** Where a program of the shop listens and how it reaches the others. */
export interface ShopContext {
  readonly address: string;
  readonly port: number;
  /** What it calls itself in answers: the pod's name. */
  readonly name: string;
  readonly route: Route;
  readonly log: Logger;
}

type Role = (context: ShopContext, signal: AbortSignal) => Promise<void>;

/** The programs of the demo shop by role. Each serves (or calls) until aborted. */
export const ROLES: ReadonlyMap<string, Role> = new Map<string, Role>([
  ['web', web],
  ['catalog', leaf('catalog')],
  ['reviews', leaf('reviews')],
  ['checkout', checkout],
  ['ledger', ledger],
  ['shopper', shopper],
  ['crawler', crawler],
]);

/** The front: a page made of the catalog, the reviews and, for POST /buy, a checkout. */
async function web(context: ShopContext, signal: AbortSignal): Promise<void> {
  const agent = clientOf(context);
  const payments = new GrpcClient('checkout.payments', 9000, context.route);
  await serve(context, signal, async (request) => {
    const beta = request.headers['x-beta'];
    const headers = typeof beta === 'string' ? { 'x-beta': beta } : {};
    if (request.method === 'POST' && request.url === '/buy') return payments.call('/shop.Checkout/Buy', 'one item');
    const [products, reviews] = await Promise.all([
      get('http://catalog/products', headers, agent),
      get('http://reviews/latest', headers, agent),
    ]);
    if (products.status !== 200 || reviews.status !== 200)
      throw new Error(`catalog answered ${products.status}, reviews ${reviews.status}`);
    return `${products.body}\n${reviews.body}\n`;
  });
}

/** A service that only says who answered. */
function leaf(service: string): Role {
  return (context, signal) => serve(context, signal, () => Promise.resolve(`${service} from ${context.name}`));
}

/** gRPC: writes each sale into the ledger. */
async function checkout(context: ShopContext, signal: AbortSignal): Promise<void> {
  const server = await serveGrpc(
    context.address,
    context.port,
    new Map([
      [
        '/shop.Checkout/Buy',
        async (item) => {
          const socket = await dial('ledger', 9090, context.route);
          socket.end(`sold ${item}\n`);
          const chunks: Buffer[] = [];
          for await (const chunk of socket) chunks.push(chunk as Buffer);
          return Buffer.concat(chunks).toString().trim();
        },
      ],
    ]),
  );
  await aborted(signal);
  server.close();
}

/** Raw TCP, one line in, one line out. The server speaks first, as databases do. */
async function ledger(context: ShopContext, signal: AbortSignal): Promise<void> {
  let entries = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.setTimeout(10_000, () => socket.destroy());
    socket.write('ledger ready\n');
    socket.once('data', () => socket.end(`entry ${++entries}\n`));
  });
  server.listen(context.port, context.address);
  await once(server, 'listening');
  await aborted(signal);
  server.close();
}

/** The load source: pages all the time, one in five as a beta tester, one in ten buys. */
async function shopper(context: ShopContext, signal: AbortSignal): Promise<void> {
  const agent = clientOf(context);
  for (let n = 0; !signal.aborted; n++) {
    const headers: Record<string, string> = n % 5 === 0 ? { 'x-beta': 'yes' } : {};
    const call = n % 10 === 9 ? post('http://web/buy', agent) : get('http://web/', headers, agent);
    void call.catch((error: unknown) => context.log.debug('call failed', { error: String(error) }));
    await pause(40, signal);
  }
}

/** Calls what no TrafficTarget lets it call: it is refused on purpose. */
async function crawler(context: ShopContext, signal: AbortSignal): Promise<void> {
  const agent = clientOf(context);
  while (!signal.aborted) {
    await get('http://catalog/products', {}, agent).catch((error: unknown) =>
      context.log.debug('call failed', { error: String(error) }),
    );
    await pause(500, signal);
  }
}

/** Keeps connections, and goes where the pod's proxy settings say: Node's own global agent is the only one that looks there. */
function clientOf({ route }: ShopContext): Agent {
  return new http.Agent({
    keepAlive: true,
    maxSockets: 16,
    ...(route.proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: route.proxy } }),
  });
}

interface Reply {
  readonly status: number;
  readonly body: string;
}

function get(url: string, headers: Record<string, string>, agent: Agent): Promise<Reply> {
  return send(http.request(url, { headers, agent, timeout: 10_000 }));
}

function post(url: string, agent: Agent): Promise<Reply> {
  return send(http.request(url, { method: 'POST', agent, timeout: 10_000 }));
}

function send(request: ClientRequest): Promise<Reply> {
  return new Promise((resolve, reject) => {
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    request.end();
  });
}

async function serve(
  context: ShopContext,
  signal: AbortSignal,
  answer: (request: IncomingMessage) => Promise<string>,
): Promise<void> {
  const server = http.createServer((request, response) => {
    request.resume();
    answer(request).then(
      (body) => response.end(body),
      (error: unknown) => {
        response.statusCode = 502;
        response.end(`${String(error)}\n`);
      },
    );
  });
  server.keepAliveTimeout = 60_000; // longer than the sidecar keeps idle connections, so that the sidecar closes first
  server.listen(context.port, context.address);
  await once(server, 'listening');
  await aborted(signal);
  server.close();
  server.closeIdleConnections();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
