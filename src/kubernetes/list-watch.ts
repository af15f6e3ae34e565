import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { jittered, type Random } from '../base/random.ts';
import { Json } from '../spec/json.ts';
import type { KubernetesApi } from './api.ts';
import { errorOf, isGone, isNotFound, KubernetesError } from './error.ts';
import { pathOf, type WatchedKind } from './kinds.ts';

/** Where the objects of one kind go. Objects are raw, as the API server sent them. */
export interface ObjectSink {
  /** These are all there are. */
  replace(objects: readonly unknown[]): void;
  upsert(object: unknown): void;
  delete(object: unknown): void;
}

export interface ListWatchOptions {
  readonly api: Pick<KubernetesApi, 'call' | 'lines'>;
  readonly watched: WatchedKind;
  readonly sink: ObjectSink;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
}

/** As client-go: a list in pages, so that neither side holds all of it at once as text. */
const PAGE = 500;
/** The server ends a watch after this time, give or take a third, so that not all clients come back at once. */
const WATCH_SECONDS = 300;
/** A watch that ends so soon, without an event, counts as a failure: asking again at once would be a hot loop. */
const SHORT_WATCH_MS = 1_000;

/**
 * Keeps a sink equal to what the API server has of one kind, until aborted. Lists, then watches from there; comes back
 * after everything: a watch that ends or breaks goes on where it was, a version that is too old (410) means a new
 * list, a server that is away or a kind that is not installed yet is asked again with backoff. Until then the sink
 * keeps what it has. client-node's informer stops on most of these.
 */
export async function runListWatch(options: ListWatchOptions, signal: AbortSignal): Promise<void> {
  const { clock, random, log, watched, minBackoffMs = 200, maxBackoffMs = 5_000 } = options;
  const state: WatchState = { resourceVersion: undefined, failures: 0 };
  let missing = false;
  while (!signal.aborted) {
    try {
      const began = clock.now();
      if (state.resourceVersion === undefined) await list(options, state, signal);
      missing = false;
      const events = await watch(options, state, signal);
      if (events > 0 || clock.now() - began >= SHORT_WATCH_MS) state.failures = 0;
      else throw new Error('the watch ended at once');
    } catch (error) {
      if (signal.aborted) return;
      if (mustList(error)) state.resourceVersion = undefined;
      const backoffMs = jittered(
        Math.min(maxBackoffMs, minBackoffMs * 2 ** Math.min(state.failures++, 20)),
        0.2,
        random,
      );
      const asked = error instanceof KubernetesError ? (error.retryAfterMs ?? 0) : 0;
      if (isNotFound(error)) {
        if (!missing) log.warn('kind is not installed in this cluster, waiting for it', { kind: watched.kind });
        missing = true;
      } else if (!isGone(error)) {
        // one line per outage and kind, the rest for those who look closer
        const level = state.failures === 1 ? 'warn' : 'debug';
        log[level]('watch broke, will go on', { kind: watched.kind, error: reasonOf(error), backoffMs });
      }
      await clock.sleep(Math.max(backoffMs, asked), signal).catch(() => undefined); // aborted: the loop ends
    }
  }
}

interface WatchState {
  resourceVersion: string | undefined;
  failures: number;
}

/**
 * Whether going on from the last version makes no sense: the server refused it, or was not there at all and may have come
 * back with other objects. A connection that was merely cut goes on.
 */
function mustList(error: unknown): boolean {
  if (error instanceof KubernetesError) return error.status !== 429;
  return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' || error instanceof SyntaxError;
}

async function list({ api, watched, sink }: ListWatchOptions, state: WatchState, signal: AbortSignal): Promise<void> {
  const path = pathOf(watched);
  const objects: unknown[] = [];
  let next = '';
  let page: Json;
  do {
    const query = new URLSearchParams({ limit: String(PAGE), ...(next === '' ? {} : { continue: next }) });
    page = new Json(await api.call({ method: 'GET', path: `${path}?${query.toString()}` }, signal), '', []);
    for (const item of page.at('items').items() ?? []) objects.push(item.value);
    next = page.at('metadata').at('continue').optionalString() ?? '';
  } while (next !== '');
  state.resourceVersion = page.at('metadata').at('resourceVersion').optionalString() ?? '0';
  sink.replace(objects);
}

/** Watches until the server ends it. Gives back how many events there were. */
async function watch(options: ListWatchOptions, state: WatchState, signal: AbortSignal): Promise<number> {
  const { api, watched, random } = options;
  const timeoutSeconds = Math.round(jittered(WATCH_SECONDS, 0.33, random));
  const query = new URLSearchParams({
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: state.resourceVersion ?? '',
    timeoutSeconds: String(timeoutSeconds),
  });
  // A server that has forgotten us, behind a proxy that keeps the connection, is left some time after it should have ended
  const deadline = AbortSignal.any([signal, AbortSignal.timeout((timeoutSeconds + 30) * 1_000)]);
  let events = 0;
  for await (const line of api.lines(`${pathOf(watched)}?${query.toString()}`, deadline)) {
    take(options.sink, line, state);
    events += 1;
    state.failures = 0;
  }
  return events;
}

function take(sink: ObjectSink, line: unknown, state: WatchState): void {
  const event = new Json(line, '', []);
  const { value: object } = event.at('object');
  switch (event.at('type').value) {
    case 'ADDED':
    case 'MODIFIED':
      sink.upsert(object);
      break;
    case 'DELETED':
      sink.delete(object);
      break;
    case 'BOOKMARK':
      break;
    default:
      throw errorOf(200, object); // ERROR, with a Status: mostly 410
  }
  const resourceVersion = event.at('object').at('metadata').at('resourceVersion').optionalString();
  if (resourceVersion !== undefined) state.resourceVersion = resourceVersion;
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
