import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { JsonObject } from '../json.ts';
import { type Outbound, outboundOf, type ServiceAddress } from './outbound.ts';

/** How the API server asks webhooks. */
export interface WebhookCalls {
  /**
   * Posts JSON to where a `clientConfig` leads and parses the answer.
   * @throws Error for anything but a 2xx with JSON in time, and when it leads nowhere
   */
  post(clientConfig: JsonObject, body: unknown, timeoutMs: number): Promise<unknown>;
  /** Closes connections that are kept for later calls. */
  close(): void;
}

const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** To one webhook. Each costs a handshake; a hundred writes at once wait for one another rather than open a hundred. */
const MAX_CONNECTIONS = 16;
/** As the API server of Kubernetes. */
const IDLE_MS = 90_000;

/**
 * Calls over connections that are kept: a write of a custom resource asks up to three times. Connections are shared only by calls to
 * the same address under the same name and trust.
 */
export function webhookCalls(address: ServiceAddress): WebhookCalls {
  const agent = new Agent({ keepAlive: true, scheduling: 'lifo', maxSockets: MAX_CONNECTIONS, timeout: IDLE_MS });
  return {
    async post(clientConfig, body, timeoutMs) {
      const outbound = outboundOf(clientConfig, address);
      const bytes = Buffer.from(JSON.stringify(body));
      try {
        return await answerOf(await open(outbound, agent, bytes, AbortSignal.timeout(timeoutMs)));
      } catch (error) {
        throw new Error(`Post ${JSON.stringify(outbound.shown)}: ${reasonOf(error)}`, { cause: error });
      }
    },
    close: () => agent.destroy(),
  };
}

/**
 * Sends and waits for the head of the answer. Webhooks close idle connections when they like; when one does so under a
 * question, it is asked on a new one. To ask twice does no harm: reviews are questions.
 */
function open(
  { options, shown }: Outbound,
  agent: Agent | false,
  bytes: Buffer,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const headers = { 'content-type': 'application/json', accept: 'application/json', 'content-length': bytes.length };
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...options, method: 'POST', headers, agent, signal }, (response) => {
      response.on('error', () => undefined); // whoever reads it learns of it
      resolve(response);
    });
    outgoing.on('error', (error) => {
      if (outgoing.reusedSocket && !signal.aborted) resolve(open({ options, shown }, false, bytes, signal));
      else reject(error);
    });
    outgoing.end(bytes);
  });
}

async function answerOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) throw new Error('the answer is larger than 16 MiB');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const code = response.statusCode ?? 0;
  if (code < 200 || code > 299) throw new Error(`the answer was ${code} ${text.slice(0, 200)}`);
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the answer is no JSON');
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.name === 'TimeoutError' || error.name === 'AbortError' ? 'context deadline exceeded' : error.message;
}
