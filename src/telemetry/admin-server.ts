import type { Server } from 'node:http';
import { isIP, type AddressInfo, type Socket } from 'node:net';
import { textReply, type AdminReply, type AdminRoute } from '../base/admin-route.ts';
import type { Logger } from '../base/log.ts';
import { http } from '../base/node-http.ts';

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  /** The first whose path matches answers. Those that are not public answer loopback addresses only. */
  readonly routes: readonly AdminRoute[];
  readonly log: Logger;
  /** Told the port once it listens. */
  readonly listening?: (port: number) => void;
}

/**
 * Serves small read-only pages until aborted: readiness, metrics, dumps. GET and HEAD only; nothing that a client sends
 * changes anything.
 * @throws when the address cannot be listened on
 */
export async function serveAdmin(options: AdminServerOptions, signal: AbortSignal): Promise<void> {
  const { host, port, routes, log } = options;
  const limits = { maxHeaderSize: 8192, requestTimeout: 10_000, headersTimeout: 5_000 };
  const server = http.createServer(limits, (request, response) => {
    void answer().catch((error: unknown) => {
      log.error('admin page failed', { path: request.url, error: String(error) });
      response.destroy();
    });
    async function answer(): Promise<void> {
      const reply = await find();
      response.writeHead(reply.status, {
        'content-type': reply.contentType,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff', // names from objects must not become a page in somebody's browser
      });
      response.end(request.method === 'HEAD' ? undefined : reply.body);
    }
    function find(): AdminReply | Promise<AdminReply> {
      if (request.method !== 'GET' && request.method !== 'HEAD') return textReply('GET only', 405);
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      for (const route of routes) {
        const parameters = match(route.path, path);
        if (parameters === undefined) continue;
        if (route.public === true) return route.handle(parameters);
        if (!isThisMachine(request.socket)) return textReply(`${path} is for this machine only`, 403);
        // A browser on this machine that was led here by a name of somebody else's (DNS rebinding) says that name.
        if (!isOwnName(request.headers.host)) return textReply('call this page by address, or as localhost', 403);
        return route.handle(parameters);
      }
      return textReply(`no page ${JSON.stringify(path)}; there are: ${routes.map((r) => r.path).join(' ')}`, 404);
    }
  });
  await listen(server, host, port);
  options.listening?.((server.address() as AddressInfo).port);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** The values of the pattern's `:name` segments; undefined when the path is another one. */
function match(pattern: string, path: string): ReadonlyMap<string, string> | undefined {
  const expected = pattern.split('/');
  const given = path.split('/');
  if (expected.length !== given.length) return undefined;
  const parameters = new Map<string, string>();
  for (const [i, segment] of expected.entries()) {
    const value = given[i] ?? '';
    if (segment.startsWith(':')) parameters.set(segment.slice(1), value);
    else if (segment !== value) return undefined;
  }
  return parameters;
}

/** An address, or a name that nobody else can own. */
function isOwnName(host: string | undefined): boolean {
  if (host === undefined) return true; // HTTP/1.0: no browser
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return isIP(name) !== 0 || name === 'localhost' || !name.includes('.');
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      server.on('error', () => {});
      resolve();
    });
  });
}

/** A connection from loopback, or from an address to itself, comes from the same machine (or pod). */
function isThisMachine({ remoteAddress = '', localAddress }: Socket): boolean {
  return /^(::ffff:)?127\./.test(remoteAddress) || remoteAddress === '::1' || remoteAddress === localAddress;
}
