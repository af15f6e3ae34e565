import type { Clock } from '../../base/clock.ts';
import type { ApiClient } from '../api-client.ts';
import { isApiError } from '../api-error.ts';
import { stringOf } from './json.ts';

const EVENTS = { group: '', resource: 'events' };
/** As in Kubernetes. */
const KEPT_MS = 3600_000;
const PAUSE_MS = 60_000;

/** Deletes events an hour after they were last seen, until aborted. */
export async function expireEvents(client: ApiClient, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(PAUSE_MS, signal).catch(() => undefined);
    for (const event of signal.aborted ? [] : client.list(EVENTS)) {
      const seen = stringOf(event['lastTimestamp']) || event.metadata.creationTimestamp;
      if (clock.now() - Date.parse(seen ?? '') < KEPT_MS) continue;
      try {
        await client.delete(EVENTS, event.metadata.namespace ?? '', event.metadata.name);
      } catch (error) {
        if (!isApiError(error)) throw error; // gone already, or the disk is full: next time
      }
    }
  }
}
