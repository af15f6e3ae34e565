import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../../src/base/clock.ts';
import { expireEvents } from '../../../src/local/api/event-expiry.ts';
import { createApiServer } from '../../../src/local/api/server.ts';

const EVENTS = { group: '', resource: 'events' };

test('events: they are gone an hour after they were last seen', async () => {
  const clock = new FakeClock();
  const { client } = await createApiServer({ clock });
  const stop = new AbortController();
  const running = expireEvents(client, clock, stop.signal);
  const event = (name: string, lastTimestamp: string) => ({
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p' },
    lastTimestamp,
  });
  await client.create(EVENTS, event('old', new Date(clock.now()).toISOString()));
  await client.create(EVENTS, event('seen-later', new Date(clock.now() + 30 * 60_000).toISOString()));
  await clock.advance(59 * 60_000);
  assert.equal(client.list(EVENTS).length, 2);
  await clock.advance(2 * 60_000);
  assert.deepEqual(
    client.list(EVENTS).map((e) => e.metadata.name),
    ['seen-later'],
  );
  stop.abort();
  await running;
});
