import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiObject } from '../../api-client.ts';
import { convertToVersion } from '../crd/conversion.ts';
import { expired } from '../errors.ts';
import { apiVersionOf, type Kind } from '../kinds/kind.ts';
import { type RegistryDeps, storeKey } from '../registry/deps.ts';
import { parseRevision, selection, type Selection } from '../registry/read.ts';
import type { Change } from '../store/resource-store.ts';
import { toApiError } from './respond.ts';

export interface WatchRequest extends Selection {
  readonly kind: Kind;
  readonly version: string;
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly bookmarks: boolean;
  readonly sendInitialEvents: boolean;
  /** Shows an object as the client wants it; `first` for the first row of a table. */
  readonly show: (object: ApiObject, first: boolean) => unknown;
  readonly bookmarkMs: number;
}

/** A client that reads so slowly is cut off; it will list again. */
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;

type Line = { readonly type: string; readonly object: ApiObject };

/** Streams changes until the client goes, the timeout passes or the signal aborts. */
export async function serveWatch(
  deps: RegistryDeps,
  request: WatchRequest,
  incoming: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const { kind, version, show } = request;
  const matches = selection(kind, request);
  const resource = deps.store.resource(storeKey(kind));
  let first = true;
  let tail: Promise<void> = Promise.resolve();
  const stream = new AbortController();
  const end = () => stream.abort();

  const send = ({ type, object }: Line): void => {
    if (stream.signal.aborted) return;
    response.write(`${JSON.stringify({ type, object: show(object, first) })}\n`);
    first = false;
    if (response.writableLength > MAX_BUFFERED_BYTES) end();
  };
  const apiVersion = apiVersionOf(kind.group, version);
  // Objects in another version than the stored one may need a webhook: the queue keeps their order.
  const queue = (line: Line): void => {
    const stored = kind.storedAs;
    if (stored !== undefined) return send({ ...line, object: stored.fromStored(line.object) });
    if (kind.custom?.conversion.strategy !== 'Webhook')
      return send({ ...line, object: { ...line.object, apiVersion } });
    tail = tail.then(async () => {
      try {
        send({ ...line, object: await convertToVersion(kind, line.object, version, deps.convertByWebhook) });
      } catch (error) {
        response.write(`${JSON.stringify({ type: 'ERROR', object: toApiError(error).status() })}\n`);
        end();
      }
    });
  };
  const change = (c: Change): void => {
    const line = filtered(c, matches);
    if (line !== undefined) queue(line);
  };
  const bookmark = (annotations?: Record<string, string>): void => {
    const metadata = {
      name: '',
      resourceVersion: String(deps.store.revision),
      creationTimestamp: null,
      ...(annotations === undefined ? {} : { annotations }),
    };
    const object = { apiVersion, kind: kind.kind, metadata } as unknown as ApiObject;
    tail = tail.then(() => send({ type: 'BOOKMARK', object }));
  };

  const past = backlog((revision) => resource.since(revision), request, deps.store.revision);
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  if (past === 'expired') {
    const message = `too old resource version: ${request.resourceVersion} (${resource.floor})`;
    response.end(`${JSON.stringify({ type: 'ERROR', object: expired(message).status() })}\n`);
    return;
  }
  if (past === 'present') for (const object of resource.all().filter(matches)) queue({ type: 'ADDED', object });
  else for (const c of past) change(c);
  if (request.sendInitialEvents) bookmark({ 'k8s.io/initial-events-end': 'true' });
  const stop = resource.subscribe(change);
  const bookmarks = request.bookmarks ? setInterval(() => bookmark(), request.bookmarkMs) : undefined;
  const timeout = setTimeout(end, request.timeoutSeconds * 1000);
  incoming.once('close', end);
  response.once('close', end);
  signal.addEventListener('abort', end, { once: true });
  await new Promise<void>((resolve) => {
    if (stream.signal.aborted || signal.aborted) resolve();
    else stream.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  stop();
  clearInterval(bookmarks);
  clearTimeout(timeout);
  signal.removeEventListener('abort', end);
  response.end();
}

/** What the client has missed: changes since its resourceVersion, or everything there is. */
function backlog(
  since: (revision: number) => readonly Change[] | undefined,
  { resourceVersion, sendInitialEvents }: WatchRequest,
  now: number,
): readonly Change[] | 'present' | 'expired' {
  if (sendInitialEvents || resourceVersion === '' || resourceVersion === '0') return 'present';
  const revision = parseRevision(resourceVersion);
  // A version that is not reached yet is one from before a restart without a data folder.
  return revision > now ? 'expired' : (since(revision) ?? 'expired');
}

/** An object that comes to match a selector is new to the watcher; one that ceases to is gone. */
function filtered({ type, object, previous }: Change, matches: (object: ApiObject) => boolean): Line | undefined {
  const was = previous !== undefined && matches(previous);
  if (type === 'DELETED') return was ? { type, object } : undefined;
  const is = matches(object);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', object };
  if (!was || previous === undefined) return undefined;
  const metadata = { ...previous.metadata, resourceVersion: object.metadata.resourceVersion ?? '' };
  return { type: 'DELETED', object: { ...previous, metadata } };
}
