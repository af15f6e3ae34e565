import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { authorityOf, dial, dialThrough, TunnelRefused, type HostPort } from './dial.ts';
import { parseServedBy, readHead, skipBody } from './http1.ts';
import { TEST_ID, type Answer, type Call } from './protocol.ts';
import { errorCode, Wire, WireError } from './wire.ts';

/** One connection of an app. */
export interface Session {
  /** Sends the call's request once more, to another path if one is given. Never rejects: an error is an answer. */
  ask(path?: string): Promise<Answer>;
  /** Whether another request may be sent on this connection. */
  readonly usable: boolean;
  /** Resolves once the connection is gone. */
  readonly gone: Promise<void>;
  close(): void;
}

const DEFAULT_TIMEOUT_MS = 5000;

/**
 * Connects as an app would: by proxy settings where there are some, directly otherwise, then to `address` if the name
 * has been looked up already.
 */
export async function openSession(
  call: Call,
  proxy: HostPort | undefined,
  address = call.host,
): Promise<Session | Answer> {
  const through = call.direct === true ? undefined : proxy;
  const absolute = call.protocol === 'http1' && through !== undefined && call.tunnel !== true;
  const connecting = absolute
    ? dial(through)
    : through === undefined
      ? dial({ host: address, port: call.port })
      : dialThrough(through, call);
  try {
    const socket = await withDeadline(connecting, call.timeoutMs ?? DEFAULT_TIMEOUT_MS, (late) => late.destroy());
    if (call.protocol === 'http2' || call.protocol === 'grpc') {
      const { openHttp2 } = await import('./http2.ts'); // `node:http2` takes as long to load as all the rest
      return openHttp2(call, socket, askWithDeadline);
    }
    return wireSession(call, new Wire(socket), absolute);
  } catch (error) {
    return error instanceof TunnelRefused ? error.answer : { error: errorCode(error) };
  }
}

/** Protocols that we speak byte by byte. */
function wireSession(call: Call, wire: Wire, absolute: boolean): Session {
  let usable = true;
  let first = true;
  const gone = once(wire.socket, 'close').then(
    () => undefined,
    () => undefined,
  );
  const exchange = async (request: Call): Promise<Answer> => {
    const isFirst = first;
    first = false;
    switch (call.protocol) {
      case 'http1': {
        wire.write(requestHead(request, absolute));
        const head = await readHead(wire);
        usable = await skipBody(wire, call.method ?? 'GET', head);
        return head.answer;
      }
      case 'raw': {
        wire.write((call.bytes ?? '').replaceAll('{id}', call.id));
        usable = false;
        return (await readHead(wire)).answer;
      }
      case 'websocket':
        return isFirst ? upgrade(call, wire) : echoFrame(wire);
      case 'tcp':
        return isFirst ? tcpHello(call, wire) : tcpEcho(call, wire);
      case 'tcp-first':
        return isFirst ? serverHello(call, wire) : tcpEcho(call, wire);
      case 'http2':
      case 'grpc':
        throw new Error(`${call.protocol} is not spoken byte by byte`);
    }
  };
  return {
    ask: (path = call.path) =>
      askWithDeadline(
        call,
        () => exchange(withPath(call, path)),
        () => wire.socket.destroy(),
      ),
    get usable() {
      return usable && !wire.ended;
    },
    gone,
    close: () => wire.socket.destroy(),
  };
}

export function withPath(call: Call, path: string | undefined): Call {
  return path === undefined ? call : { ...call, path };
}

function requestHead(call: Call, absolute: boolean, extra: readonly string[] = []): string {
  const path = call.path ?? '/';
  const target = absolute ? `http://${authorityOf(call)}${path}` : path;
  const headers = (call.headers ?? []).map(([name, value]) => `${name}: ${value}`);
  const lines = [
    `${call.method ?? 'GET'} ${target} HTTP/1.1`,
    `Host: ${call.authority ?? authorityOf(call)}`,
    `${TEST_ID}: ${call.id}`,
    ...headers,
    ...extra,
  ];
  return lines.join('\r\n') + '\r\n\r\n';
}

/** WebSocket opening handshake (RFC 6455), then one frame there and back. */
async function upgrade(call: Call, wire: Wire): Promise<Answer> {
  const key = randomBytes(16).toString('base64');
  wire.write(
    requestHead(call, false, [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${key}`,
    ]),
  );
  const head = await readHead(wire);
  if (head.status !== 101) return head.answer;
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  if (head.headers.get('sec-websocket-accept') !== accept)
    throw new WireError('bad-accept', 'Sec-WebSocket-Accept does not belong to the key');
  await echoFrame(wire);
  return head.answer;
}

/** Sends a masked text frame and waits for the same text to come back. */
async function echoFrame(wire: Wire): Promise<Answer> {
  const text = Buffer.from(`echo ${randomBytes(4).toString('hex')}`);
  const mask = randomBytes(4);
  const masked = text.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  wire.write(Buffer.concat([Buffer.from([0x81, 0x80 | text.length]), mask, masked]));
  const [, length = 0] = await wire.exactly(2);
  const back = await wire.exactly(length & 0x7f);
  if (!back.equals(text)) throw new WireError('bad-echo', 'another frame came back');
  return { status: 101 };
}

async function tcpHello(call: Call, wire: Wire): Promise<Answer> {
  wire.write(`id=${call.id}\n`);
  const by = parseServedBy(await wire.line());
  await expectEcho(wire, `id=${call.id}`);
  return by === undefined ? { error: 'bad-hello' } : { status: 200, by };
}

async function serverHello(call: Call, wire: Wire): Promise<Answer> {
  const by = parseServedBy(await wire.line()); // before we have said anything
  wire.write(`id=${call.id}\n`);
  await expectEcho(wire, `id=${call.id}`);
  return by === undefined ? { error: 'bad-hello' } : { status: 200, by };
}

async function tcpEcho(call: Call, wire: Wire): Promise<Answer> {
  wire.write(`again ${call.id}\n`);
  await expectEcho(wire, `again ${call.id}`);
  return { status: 200 };
}

async function expectEcho(wire: Wire, text: string): Promise<void> {
  const line = await wire.line();
  if (line !== text) throw new WireError('bad-echo', `expected ${text}, got ${line.slice(0, 80)}`);
}

/** Runs one exchange under the call's deadline; whatever goes wrong becomes an answer, and the connection is given up. */
export async function askWithDeadline(
  call: Call,
  exchange: () => Promise<Answer>,
  giveUp: () => void,
): Promise<Answer> {
  try {
    return await withDeadline(exchange(), call.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  } catch (error) {
    giveUp();
    return { error: errorCode(error) };
  }
}

function withDeadline<T>(work: Promise<T>, ms: number, discard?: (late: T) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      reject(new WireError('timeout', `no answer within ${ms} ms`));
    }, ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        if (over) discard?.(value);
        else resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error as Error);
      },
    );
  });
}
