import type { LogOptions, PodStreams } from '../../pod-streams.ts';
import { badRequest, methodNotAllowed } from '../errors.ts';
import { flag, numberParameter } from '../http/query.ts';
import type { Call } from '../http/resources.ts';

/** Quiet logs get their headers after this time, so that clients see that they are connected. */
const HEADERS_AFTER_MS = 300;

/** `GET .../pods/{name}/log`. */
export async function serveLog(streams: PodStreams, { exchange, path }: Call, nowMs: number): Promise<void> {
  const { request, response, query } = exchange;
  if (request.method !== 'GET') throw methodNotAllowed();
  const options = { namespace: path.namespace, pod: path.name, ...logOptions(query, nowMs) };
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([gone.signal, exchange.signal]);
  const chunks = streams.logs(options, signal)[Symbol.asyncIterator]();
  const first = chunks.next(); // what cannot be had is said by the first chunk, while a Status can still be sent
  const head = setTimeout(() => start(), HEADERS_AFTER_MS);
  const start = () => {
    if (response.headersSent || response.destroyed) return;
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache, private' });
    response.flushHeaders();
  };
  try {
    for (let step = await first; step.done !== true && !signal.aborted; step = await chunks.next()) {
      start();
      if (!response.write(step.value)) await drained(response, signal);
    }
    start();
    response.end();
  } catch (error) {
    if (!signal.aborted) throw error;
    response.end();
  } finally {
    clearTimeout(head);
    await chunks.return?.();
  }
}

function drained(stream: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function logOptions(query: URLSearchParams, nowMs: number): Omit<LogOptions, 'namespace' | 'pod'> {
  const container = query.get('container') ?? '';
  const tailLines = numberParameter(query, 'tailLines', -1);
  const limitBytes = numberParameter(query, 'limitBytes', -1);
  const sinceSeconds = numberParameter(query, 'sinceSeconds', -1);
  const sinceTime = query.get('sinceTime');
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime)))
    throw badRequest(`sinceTime ${JSON.stringify(sinceTime)} is no RFC 3339 time`);
  const sinceMs =
    sinceTime !== null ? Date.parse(sinceTime) : sinceSeconds >= 0 ? nowMs - sinceSeconds * 1000 : undefined;
  return {
    ...(container === '' ? {} : { container }),
    ...(flag(query, 'follow') ? { follow: true } : {}),
    ...(flag(query, 'previous') ? { previous: true } : {}),
    ...(flag(query, 'timestamps') ? { timestamps: true } : {}),
    ...(tailLines < 0 ? {} : { tailLines }),
    ...(limitBytes < 0 ? {} : { limitBytes }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  };
}
