import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from '../base/log.ts';

/** Answers one path. What is returned is sent with 200, unless it says otherwise. */
export type AdminRoute = () => AdminReply | Promise<AdminReply>;

export interface AdminReply {
  readonly status?: number;
  readonly contentType: string;
  readonly body: string;
}

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  /** By exact path. */
  readonly routes: ReadonlyMap<string, AdminRoute>;
  /** Paths that may be asked for from outside of the machine; all others answer loopback addresses only. */
  readonly open?: ReadonlySet<string>;
  readonly log: Logger;
  /** Told the port once it listens. */
  readonly listening?: (port: number) => void;
}

/**
 * Serves small read-only pages until aborted: readiness, metrics, dumps. GET and HEAD only; the path is matched exactly;
 * nothing that a client sends changes anything.
 * @throws when the address cannot be listened on
 */
export async function serveAdmin(options: AdminServerOptions, signal: AbortSignal): Promise<void> {
  const { host, port, routes, open = new Set(), log } = options;
  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 10_000 }, (request, response) => {
    void answer().catch((error: unknown) => {
      log.error('admin page failed', { path: request.url, error: String(error) });
      response.destroy();
    });
    async function answer(): Promise<void> {
      const reply = await find();
      response.writeHead(reply.status ?? 200, { 'content-type': reply.contentType, 'cache-control': 'no-store' });
      response.end(request.method === 'HEAD' ? undefined : reply.body);
    }
    function find(): AdminReply | Promise<AdminReply> {
      if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'GET only\n');
      const path = (request.url ?? '').split('?', 1)[0] ?? '';
      const route = routes.get(path);
      if (route === undefined)
        return text(404, `no page ${JSON.stringify(path)}; there are: ${[...routes.keys()].join(' ')}\n`);
      if (!open.has(path) && !isLoopback(request.socket.remoteAddress))
        return text(403, `${path} is for this machine only\n`);
      return route();
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

export function text(status: number, body: string): AdminReply {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

export function json(value: unknown, status = 200): AdminReply {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value, undefined, 2)}\n` };
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

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(::ffff:)?127\./.test(address) || address === '::1');
}
