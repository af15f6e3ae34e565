import { request as requestTls } from 'node:https';
import { connect as connectHttp2, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { http } from '../../base/node-http.ts';
import type { Container, Handler, HttpGet, Probe } from '../controllers/objects.ts';
import type { Sandbox } from './isolation.ts';

export interface ProbeTarget {
  readonly container: Container;
  /** The address of the pod that is asked, for Host headers. */
  host(): string;
  readonly connect: Sandbox['connect'];
  /** Runs a command in the container; its exit code and output. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ readonly code: number; readonly output: string }>;
}

/** Undefined when the probe succeeded, else why it failed, in a kubelet's words. */
export async function probe(spec: Probe, target: ProbeTarget, stop: AbortSignal): Promise<string | undefined> {
  const timeoutSeconds = spec.timeoutSeconds ?? 1;
  const signal = AbortSignal.any([stop, AbortSignal.timeout(timeoutSeconds * 1000)]);
  try {
    if (spec.grpc !== undefined) return await probeGrpc(spec.grpc, target, signal);
    return await runHandler(spec, target, signal);
  } catch (error) {
    if (signal.aborted) return `probe timed out after ${timeoutSeconds}s`;
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs an exec, httpGet, tcpSocket or sleep handler of a probe or a lifecycle hook. */
export async function runHandler(
  handler: Handler,
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (handler.exec !== undefined) {
    const { code, output } = await target.exec(handler.exec.command ?? [], signal);
    if (signal.aborted) throw signal.reason as Error;
    return code === 0 ? undefined : output.trim() || `command ended with exit code ${code}`;
  }
  if (handler.httpGet !== undefined) return probeHttp(handler.httpGet, target, signal);
  if (handler.tcpSocket !== undefined) {
    const { port, host } = handler.tcpSocket;
    (await target.connect(portNumber(port, target.container), host, signal)).destroy();
    return undefined;
  }
  return undefined;
}

export function portNumber(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((p) => p.name === port)?.containerPort ?? Number(port);
  if (Number.isInteger(named)) return named;
  throw new Error(`container ${container.name} has no port named "${port}"`);
}

async function probeHttp(get: HttpGet, target: ProbeTarget, signal: AbortSignal): Promise<string | undefined> {
  const port = portNumber(get.port, target.container);
  const raw = await target.connect(port, get.host, signal);
  const secure = get.scheme === 'HTTPS';
  // as a kubelet: certificates of probes are not verified
  const socket: Duplex = secure ? connectTls({ socket: raw, rejectUnauthorized: false }) : raw;
  const headers: Record<string, string> = {
    host: `${get.host ?? target.host()}:${port}`,
    'user-agent': 'kube-probe/1.35',
    accept: '*/*',
    connection: 'close',
  };
  for (const { name, value } of get.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const send = secure ? requestTls : http.request;
      const sent = send({ path: get.path ?? '/', headers, createConnection: () => socket, signal });
      sent.on('error', reject);
      sent.on('response', (response) => {
        response.on('error', () => {});
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.end();
    });
    return status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`;
  } finally {
    socket.destroy();
    raw.destroy();
  }
}

/** grpc.health.v1.Health/Check: two fields of protobuf need no library. */
async function probeGrpc(
  { port, service = '' }: { port: number; service?: string },
  target: ProbeTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  const socket = await target.connect(port, undefined, signal);
  const session = connectHttp2(`http://${target.host()}:${port}`, { createConnection: () => socket });
  const name = Buffer.from(service);
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const frame = Buffer.concat([Buffer.alloc(5), message]);
  frame.writeUInt32BE(message.length, 1);
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      session.on('error', reject);
      const stream = session.request(
        {
          [constants.HTTP2_HEADER_METHOD]: 'POST',
          [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
          'content-type': 'application/grpc',
          te: 'trailers',
          'user-agent': 'kube-probe/1.35',
        },
        { signal },
      );
      const chunks: Buffer[] = [];
      let status: string | undefined;
      const note = (headers: Record<string, unknown>) => {
        if (headers['grpc-status'] !== undefined) status = String(headers['grpc-status']);
      };
      stream.on('response', note);
      stream.on('trailers', note);
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => resolve(verdict(status, Buffer.concat(chunks))));
      stream.end(frame);
    });
  } finally {
    session.destroy();
    socket.destroy();
  }
}

function verdict(grpcStatus: string | undefined, body: Buffer): string | undefined {
  if (grpcStatus !== '0') return `error: rpc failed with grpc status ${grpcStatus ?? 'missing'}`;
  // field 1 (varint): 1 is SERVING; 0, the default, is not sent
  const serving = body.length >= 7 && body[5] === 0x08 ? body[6] : 0;
  if (serving === 1) return undefined;
  return `service unhealthy (responded with "${serving === 2 ? 'NOT_SERVING' : 'UNKNOWN'}")`;
}
