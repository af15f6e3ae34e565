import { SERVED_BY, type Answer, type ServedBy } from './protocol.ts';
import { WireError, type Wire } from './wire.ts';

export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly answer: Answer;
}

const REASON = 'x-weft-reason';

/** Reads a response head (RFC 9112), skipping 1xx other than 101. */
export async function readHead(wire: Wire): Promise<ResponseHead> {
  for (;;) {
    const first = await wire.line();
    const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1] ?? NaN);
    if (Number.isNaN(status)) throw new WireError('not-http', `no status line: ${JSON.stringify(first.slice(0, 80))}`);
    const headers = new Map<string, string>();
    for (let line = await wire.line(); line !== ''; line = await wire.line()) {
      const colon = line.indexOf(':');
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    if (status < 200 && status !== 101) continue;
    return { status, headers, answer: answerOf(status, headers.get(REASON), headers.get(SERVED_BY)) };
  }
}

/** Reads the body that goes with the head, so that the connection can be used again. Answers whether it can. */
export async function skipBody(wire: Wire, method: string, { status, headers }: ResponseHead): Promise<boolean> {
  const close = /\bclose\b/i.test(headers.get('connection') ?? '');
  if (method === 'CONNECT' && status < 300) return false;
  if (method === 'HEAD' || status === 204 || status === 304 || status === 101) return !close;
  if (/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) {
    await skipChunks(wire);
    return !close;
  }
  const length = headers.get('content-length');
  if (length !== undefined) {
    await wire.exactly(Number(length));
    return !close;
  }
  await wire.rest();
  return false;
}

async function skipChunks(wire: Wire): Promise<void> {
  for (;;) {
    const size = parseInt(await wire.line(), 16);
    if (Number.isNaN(size)) throw new WireError('not-http', 'a chunk has no size');
    if (size === 0) break;
    await wire.exactly(size + 2);
  }
  while ((await wire.line()) !== '');
}

/** Puts together what the suite judges. Header values that another program made up are not trusted to be JSON. */
export function answerOf(
  status: number,
  reason: string | undefined,
  servedBy: string | undefined,
  grpc?: number,
): Answer {
  const by = servedBy === undefined ? undefined : parseServedBy(servedBy);
  return {
    status,
    ...(grpc === undefined ? {} : { grpc }),
    ...(reason === undefined ? {} : { reason }),
    ...(by === undefined ? {} : { by }),
  };
}

export function parseServedBy(text: string): ServedBy | undefined {
  try {
    const { app, version, namespace, pod } = JSON.parse(text) as Record<string, unknown>;
    if (typeof app !== 'string' || typeof version !== 'string') return undefined;
    return { app, version, namespace: String(namespace), pod: String(pod) };
  } catch {
    return undefined;
  }
}
