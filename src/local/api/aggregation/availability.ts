import { request } from 'node:https';
import type { Clock } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { ApiClient, ApiObject } from '../../api-client.ts';
import { isApiError } from '../../api-error.ts';
import { isObject, type JsonObject, objectOf, objectsOf, stringOf } from '../json.ts';
import { ADMIN } from '../auth/authenticate.ts';
import { timestamp } from '../registry/deps.ts';
import { type AggregationDeps, API_SERVICES, remoteUserHeaders, targetOf } from './proxy.ts';

const RESOURCE = { group: 'apiregistration.k8s.io', resource: 'apiservices' };
const PAUSE_MS = 5_000;
const TIMEOUT_MS = 5_000;

/** What extension servers say they serve, by `group/version`; kept fresh by `run`. */
export interface RemoteDiscovery {
  lists(): ReadonlyMap<string, JsonObject>;
  run(signal: AbortSignal): Promise<void>;
}

export interface RemoteDiscoveryDeps extends AggregationDeps {
  readonly client: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Asks every extension server again and again what it serves, and writes down whether it answers. */
export function remoteDiscovery(deps: RemoteDiscoveryDeps): RemoteDiscovery {
  const lists = new Map<string, JsonObject>();
  const look = async (): Promise<void> => {
    const services = deps.store.resource(API_SERVICES).all();
    const served = new Set<string>();
    for (const service of services) {
      const { group, version } = objectOf(service['spec']);
      const key = `${stringOf(group)}/${stringOf(version)}`;
      served.add(key);
      const found = isObject(objectOf(service['spec'])['service']) ? await ask(deps, service, key) : LOCAL;
      if (typeof found === 'string') lists.delete(key);
      else if (found !== LOCAL) lists.set(key, found);
      await writeCondition(deps, service, typeof found === 'string' ? found : undefined, found === LOCAL);
    }
    for (const key of lists.keys()) if (!served.has(key)) lists.delete(key);
  };
  return {
    lists: () => lists,
    async run(signal) {
      let wake: () => void = () => undefined;
      const stop = deps.client.watch(RESOURCE, ({ type }) => (type === 'ADDED' ? wake() : undefined));
      const stopSlices = deps.client.watch({ group: 'discovery.k8s.io', resource: 'endpointslices' }, () => wake());
      try {
        while (!signal.aborted) {
          await look().catch((error: unknown) =>
            deps.log.warn('aggregated APIs could not be looked at', { error: String(error) }),
          );
          const nap = new AbortController();
          wake = () => nap.abort();
          const idle = deps.store.resource(API_SERVICES).size === 0;
          // Without any APIService there is nothing to ask: sleep until one comes.
          await deps.clock
            .sleep(idle ? 3600_000 : PAUSE_MS, AbortSignal.any([signal, nap.signal]))
            .catch(() => undefined);
        }
      } finally {
        stop();
        stopSlices();
      }
    },
  };
}

const LOCAL: JsonObject = {};

/** The APIResourceList of an extension server, or why there is none. */
function ask(deps: RemoteDiscoveryDeps, service: ApiObject, key: string): Promise<JsonObject | string> {
  return new Promise((resolve) => {
    try {
      const headers = { accept: 'application/json', ...remoteUserHeaders(ADMIN) };
      const options = {
        ...targetOf(deps, service),
        path: `/apis/${key}`,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
      };
      const outgoing = request(options, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', (error) => resolve(error.message));
        answer.on('end', () => resolve(parsed(answer.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'))));
      });
      outgoing.on('error', (error) => resolve(error.message));
      outgoing.end();
    } catch (error) {
      resolve(error instanceof Error ? error.message : String(error));
    }
  });
}

function parsed(code: number, text: string): JsonObject | string {
  if (code !== 200) return `bad status from the server: ${code}`;
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return 'the answer of the server is no JSON';
  }
}

async function writeCondition(
  { client, clock }: RemoteDiscoveryDeps,
  service: ApiObject,
  failure: string | undefined,
  local: boolean,
): Promise<void> {
  const status = failure === undefined ? 'True' : 'False';
  const reason = local ? 'Local' : failure === undefined ? 'Passed' : 'FailedDiscoveryCheck';
  const message = local ? 'Local APIServices are always available' : (failure ?? 'all checks passed');
  const before = objectsOf(objectOf(service['status'])['conditions']).find((c) => c['type'] === 'Available');
  if (before?.['status'] === status && before['reason'] === reason && before['message'] === message) return;
  const condition = { lastTransitionTime: timestamp(clock.now()), message, reason, status, type: 'Available' };
  try {
    await client.updateStatus(RESOURCE, { ...service, status: { conditions: [condition] } });
  } catch (error) {
    if (!isApiError(error, 'NotFound') && !isApiError(error, 'Conflict')) throw error; // looked at again soon
  }
}
