import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { readHead } from './http1.ts';
import { Wire } from './wire.ts';
import type { Answer } from './protocol.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The proxy answered CONNECT with a refusal. */
export class TunnelRefused extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`the proxy answered CONNECT with ${answer.status}`);
    this.answer = answer;
  }
}

/** Reads `HTTP_PROXY` (either case) of a pod's environment; undefined means that connections go out directly. */
export function proxyFrom(env: Readonly<Record<string, string | undefined>>): HostPort | undefined {
  const setting = env['HTTP_PROXY'] || env['http_proxy'];
  if (!setting) return undefined;
  const url = new URL(setting.includes('://') ? setting : `http://${setting}`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 80) };
}

/** Connects. Whoever calls destroys the socket. */
export async function dial(to: HostPort): Promise<Socket> {
  const socket = connect({ host: to.host, port: to.port, noDelay: true });
  socket.on('error', () => undefined); // the reader has its own listener; an error between readers must not crash
  await once(socket, 'connect');
  return socket;
}

/** Connects through CONNECT. Throws `TunnelRefused` when the proxy says no. */
export async function dialThrough(proxy: HostPort, to: HostPort): Promise<Socket> {
  const socket = await dial(proxy);
  try {
    const wire = new Wire(socket);
    const authority = authorityOf(to);
    wire.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
    const head = await readHead(wire);
    if (head.status === 200) return wire.release();
    throw new TunnelRefused(head.answer);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

export function authorityOf({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
