import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerShares } from '../../src/proxy/server/peer-shares.ts';

test('peer shares: one for each identity and pod, and none is kept of a peer of which nothing is left', () => {
  const shares = new PeerShares();
  const gone = shares.of('spiffe://mesh/ns/shop/sa/gone', undefined);
  const busy = shares.of('spiffe://mesh/ns/shop/sa/busy', 'pod-1');
  const guilty = shares.of('spiffe://mesh/ns/shop/sa/guilty', undefined);
  assert.equal(shares.of('spiffe://mesh/ns/shop/sa/busy', 'pod-1'), busy);
  assert.notEqual(shares.of('spiffe://mesh/ns/shop/sa/busy', 'pod-2'), busy);
  busy.running++;
  guilty.calledOff.spend(100_000);
  for (let i = 0; i < 3000; i++) shares.of(`spiffe://mesh/ns/shop/sa/${i}`, undefined);
  assert.notEqual(shares.of('spiffe://mesh/ns/shop/sa/gone', undefined), gone);
  assert.equal(shares.of('spiffe://mesh/ns/shop/sa/busy', 'pod-1'), busy);
  assert.equal(shares.of('spiffe://mesh/ns/shop/sa/guilty', undefined), guilty);
});
