import { writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { end, startListening, versionOf } from '../../bench/processes.ts';
import { freePort } from '../pair.ts';
import type { SuiteContext } from '../suite.ts';
import type { Understood } from './reading.ts';

/** What the app says to whoever asks for another protocol. */
export const REFUSED_UPGRADE = 403;

/** A real server that understands requests by its own lights, and what came out at its far end. */
export interface Origin {
  readonly port: number;
  readonly log: RequestLog;
}

/** A kind of origin, or why there is none on this machine. */
export interface OriginKind {
  readonly name: string;
  version(): { readonly found: string } | { readonly missing: string };
  start(context: SuiteContext): Promise<Origin>;
  /** Why it refuses what RFC 9112 allows, for such input. */
  differs?(text: string): string | undefined;
}

export interface Logged extends Omit<Understood, 'upgrade'> {
  readonly serial: number;
  /** The input that it belongs to, as far as it says so. */
  readonly input: number | undefined;
}

/** Notes what an origin has understood, in order. */
export class RequestLog {
  open = 0;
  #serial = 0;
  #entries: Logged[] = [];

  begin(method: string, target: string, input: number | undefined): Logged {
    const entry = { serial: ++this.#serial, input, method, target, body: '', complete: false };
    this.#entries.push(entry);
    this.open++;
    return entry;
  }

  /** Everything since the last call, once nothing is under way any more. */
  async taken(): Promise<readonly Logged[]> {
    for (let waited = 0; this.open > 0 && waited < 3000; waited += 2) await sleep(2);
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }
}

/** Node's own server: notes each request and answers with its number, by length and by chunks in turn. */
async function startNode(context: SuiteContext): Promise<Origin> {
  const log = new RequestLog();
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const entry = log.begin(request.method ?? '', request.url ?? '', inputOf(request));
    let over = false;
    const close = () => {
      if (!over) log.open--;
      over = true;
    };
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => (entry.body += chunk.toString('latin1')));
    request.on('end', () => {
      entry.complete = true;
      const text = `seen ${entry.serial}`;
      response.setHeader('x-serial', entry.serial);
      if (entry.serial % 2 === 0) response.setHeader('content-length', text.length);
      response.writeHead(request.headers.upgrade === undefined ? 200 : REFUSED_UPGRADE);
      if (entry.serial % 2 === 1 && request.method !== 'HEAD') response.write(text.slice(0, 3));
      response.end(entry.serial % 2 === 1 ? text.slice(3) : text);
      close();
    });
    response.on('close', close);
  });
  server.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, log };
}

/** By its field, or by its target where a proxy on the way has taken the field away, as `Connection: x-input` asks for. */
function inputOf({ headers, url = '' }: http.IncomingMessage): number | undefined {
  const field = headers['x-input'];
  const said = typeof field === 'string' && /^\d+$/.test(field) ? field : /\/(?:canary-)?(\d+)/.exec(url)?.[1];
  return said === undefined ? undefined : Number(said);
}

/** Node is behind the others as well. */
function framingInTrailers(text: string): string | undefined {
  const found = /\r\n0+\r\n(content-length|transfer-encoding):/i.test(text);
  return found ? 'Node refuses framing fields in trailers, which Weft drops' : undefined;
}

/** A proxy of others in front of Node's server: what it lets through is what it has understood. */
function inFront(
  name: string,
  version: OriginKind['version'],
  configure: (
    port: number,
    behind: number,
    dir: string,
  ) => { readonly text: string; readonly command: (file: string) => string[] },
  differs?: OriginKind['differs'],
): OriginKind {
  return {
    name,
    version,
    differs: (text) => differs?.(text) ?? framingInTrailers(text),
    async start(context) {
      const behind = await startNode(context);
      const port = await freePort();
      const { text, command } = configure(port, behind.port, context.dir);
      const file = join(context.dir, `${name}.conf`);
      writeFileSync(file, text);
      const [program = '', ...args] = command(file);
      const child = await startListening(program, args, port, context.dir);
      context.after(() => end(child));
      return { port, log: behind.log };
    },
  };
}

const isRoot = () => process.getuid?.() === 0;

const nginx = inFront(
  'nginx',
  () => versionOf('nginx', ['-v'], /nginx\/(\S+)/),
  (port, behind, dir) => ({
    command: (file) => ['nginx', '-p', dir, '-c', file],
    text: `${isRoot() ? 'user root;' : ''} worker_processes 1; daemon off; pid ${dir}/nginx.pid; error_log ${dir}/nginx.err;
events { worker_connections 512; }
http {
  access_log off; keepalive_timeout 600; keepalive_requests 1000000; lingering_close off;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/nginx-${kind};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://127.0.0.1:${behind}; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; }
  }
}
`,
  }),
  (text) =>
    /^(host|content-length|transfer-encoding): *\t/im.test(text)
      ? 'nginx takes a tab in front of a value for a part of it'
      : undefined,
);

const haproxy = inFront(
  'haproxy',
  () => versionOf('haproxy', ['-v'], /version (\S+)/),
  (port, behind) => ({
    command: (file) => ['haproxy', '-f', file],
    text: `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen app
  bind 127.0.0.1:${port}
  server app 127.0.0.1:${behind}
`,
  }),
  (text) => {
    if (/^[A-Z]+ http:..[^/ ]+\?/m.test(text)) return 'haproxy wants a path in front of a query';
    const heads = text.split('\r\n\r\n');
    const keyless = heads.some((head) => /^upgrade:.*websocket/im.test(head) && !/^sec-websocket-key:/im.test(head));
    return keyless ? 'haproxy wants a key with a request for a WebSocket' : undefined;
  },
);

const MODULES = '/usr/lib/apache2/modules';

const apache = inFront(
  'apache2',
  () => versionOf('apache2', ['-v'], /Apache\/(\S+)/),
  (port, behind, dir) => ({
    command: (file) => ['apache2', '-D', 'FOREGROUND', '-d', dir, '-f', file],
    text: `Listen 127.0.0.1:${port}
ServerName app.bench
PidFile ${dir}/apache2.pid
DefaultRuntimeDir ${dir}
Mutex posixsem
ErrorLog ${dir}/apache2.err
${isRoot() ? 'User nobody\nGroup nogroup' : ''}
LoadModule mpm_event_module ${MODULES}/mod_mpm_event.so
LoadModule authz_core_module ${MODULES}/mod_authz_core.so
LoadModule proxy_module ${MODULES}/mod_proxy.so
LoadModule proxy_http_module ${MODULES}/mod_proxy_http.so
StartServers 1
MaxKeepAliveRequests 0
KeepAliveTimeout 60
AllowEncodedSlashes NoDecode
ProxyPass / http://127.0.0.1:${behind}/ nocanon
`,
  }),
  (text) =>
    /^Host: *[^\r]*[^\w.:\r -]/im.test(text)
      ? 'Apache knows only letters, digits and a few marks in a host'
      : undefined,
);

export const ORIGINS: readonly OriginKind[] = [
  {
    name: 'node',
    version: () => ({ found: process.version }),
    start: startNode,
    differs: framingInTrailers,
  },
  nginx,
  haproxy,
  apache,
];
