import type { Clock } from '../../../base/clock.ts';
import type { PodStreams } from '../../pod-streams.ts';
import { badRequest, notFound } from '../errors.ts';
import type { Subresources } from '../http/handler.ts';
import type { Store } from '../store/store.ts';
import { serveLog } from './log.ts';
import { noStreams } from './upgrade.ts';

/** The subresources of a pod that carry bytes of its containers, as far as they are plain requests. */
export function podStreamPaths(streams: PodStreams | undefined, store: Store, clock: Clock): Subresources {
  return async (call) => {
    const { subresource, namespace, name } = call.path;
    if (!['log', 'exec', 'attach', 'portforward'].includes(subresource)) return false;
    if (store.resource('/pods').get(namespace, name) === undefined) throw notFound(call.kind, name);
    if (streams === undefined) throw noStreams();
    if (subresource !== 'log') throw badRequest('Upgrade request required');
    await serveLog(streams, call, clock.now());
    return true;
  };
}
