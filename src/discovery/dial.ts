import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../base/clock.ts';
import type { Credentials } from '../mesh/credentials.ts';
import { trustBundle, verifyTlsPeer } from '../mesh/verify-peer.ts';

export interface DialOptions {
  /** `https://host:port` of the controller. */
  readonly url: string;
  /** PEM roots that the controller's certificate may lead to, besides those of `credentials`; read at each dial. */
  readonly roots: () => Promise<readonly string[]>;
  /** SPIFFE ID that the controller must present. It, and not a host name, says who the controller is. */
  readonly controllerIdentity: string;
  /** Presented as client certificate when there is one; the first signing has none yet. */
  readonly credentials: () => Credentials | undefined;
  readonly clock: Pick<Clock, 'now'>;
}

export interface ControllerDial {
  /** The configuration stream. Its HTTP/2 connection is its own and ends with it. */
  stream(signal: AbortSignal): Promise<ClientHttp2Stream>;
  /** One request on a connection of its own. Rejects when there is no answer; any status is an answer. */
  post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: string,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: string }>;
}

export const DISCOVERY_PATH = '/v1/discovery';
const CONNECT_TIMEOUT_MS = 5000;
/** The controller asks the Kubernetes API before it answers. */
const ANSWER_TIMEOUT_MS = 15_000;
const MAX_REPLY_BYTES = 1024 * 1024;

/** How a sidecar reaches its controller: HTTP/2 over TLS 1.3, the controller verified by its SPIFFE ID. */
export function controllerDial(options: DialOptions): ControllerDial {
  return {
    async stream(signal) {
      const session = await open(options, signal);
      try {
        const stream = session.request({ ':method': 'POST', ':path': DISCOVERY_PATH });
        stream.on('close', () => session.destroy());
        stream.on('error', () => session.destroy());
        session.on('close', () => stream.destroy());
        const status = (await headOf(stream, signal))[':status'];
        if (status !== 200) throw new Error(`the controller answered ${status} to the discovery stream`);
        return stream;
      } catch (error) {
        session.destroy();
        throw error;
      }
    },
    async post(path, headers, body, signal) {
      const session = await open(options, signal);
      try {
        const stream = session.request({ ...headers, ':method': 'POST', ':path': path });
        stream.end(body);
        const head = await headOf(stream, signal);
        let text = '';
        for await (const chunk of stream.setEncoding('utf8')) {
          text += chunk as string;
          if (text.length > MAX_REPLY_BYTES) throw new Error(`the answer to ${path} is too large`);
        }
        return { status: Number(head[':status']), body: text };
      } finally {
        session.destroy();
      }
    },
  };
}

async function headOf(stream: ClientHttp2Stream, signal: AbortSignal): Promise<Record<string, string | number>> {
  const both = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  try {
    const [head] = (await once(stream, 'response', { signal: both })) as [Record<string, string | number>];
    return head;
  } catch (error) {
    if (!signal.aborted && both.aborted)
      throw new Error(`the controller did not answer within ${ANSWER_TIMEOUT_MS} ms`);
    throw error;
  }
}

async function open(options: DialOptions, signal: AbortSignal): Promise<ClientHttp2Session> {
  const own = options.credentials();
  // Our own bundle came with our certificate and is newer than a file that nobody rewrites; the file serves the start.
  const roots = [...(await options.roots()), ...(own?.trustBundle ?? [])];
  const session = connect(options.url, {
    minVersion: 'TLSv1.3',
    // Judged below by the SPIFFE rules: a dialled address, often a loopback one in local mode, identifies nobody.
    rejectUnauthorized: false,
    ...(own === undefined ? {} : { cert: own.certificateChain, key: own.privateKey }),
    settings: { enablePush: false },
  });
  session.on('error', () => undefined); // reported by `once`, or by the stream that breaks
  const both = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS)]);
  try {
    await once(session, 'connect', { signal: both });
    const domain = /^spiffe:\/\/([^/]+)/.exec(options.controllerIdentity)?.[1] ?? '';
    const verdict = verifyTlsPeer(session.socket as TLSSocket, trustBundle(domain, roots), options.clock.now());
    if (!verdict.ok) throw new Error(`the controller at ${options.url} is not trusted: ${verdict.message}`);
    if (verdict.identity !== options.controllerIdentity) {
      throw new Error(`${options.url} is ${verdict.identity} and not the controller ${options.controllerIdentity}`);
    }
    session.setLocalWindowSize(CONNECTION_WINDOW);
    return session;
  } catch (error) {
    session.destroy(undefined, constants.NGHTTP2_CANCEL);
    if (!signal.aborted && both.aborted)
      throw new Error(`no connection to ${options.url} within ${CONNECT_TIMEOUT_MS} ms`);
    throw error;
  }
}

/** A whole configuration of a large mesh arrives without waiting for window updates. */
const CONNECTION_WINDOW = 1024 * 1024;
