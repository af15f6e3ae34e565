import type { ApiObject } from '../../api-client.ts';
import type { JsonObject } from '../json.ts';

/** events.k8s.io field -> core field. The two kinds are two views of one stored object, the core one. */
const FIELDS = {
  regarding: 'involvedObject',
  note: 'message',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
} as const;

/** How an Event of events.k8s.io/v1 is stored. */
export const eventConversion = {
  resource: { group: '', resource: 'events' },
  toStored: (object: ApiObject): ApiObject => renamed(object, 'v1', new Map(Object.entries(FIELDS))),
  fromStored: (object: ApiObject): ApiObject =>
    renamed(object, 'events.k8s.io/v1', new Map(Object.entries(FIELDS).map(([to, from]) => [from, to]))),
};

function renamed(object: ApiObject, apiVersion: string, names: ReadonlyMap<string, string>): ApiObject {
  const out: JsonObject = {};
  for (const [key, value] of Object.entries(object)) out[names.get(key) ?? key] = value;
  return { ...out, apiVersion, kind: 'Event', metadata: object.metadata };
}
