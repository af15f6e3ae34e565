import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ReceiveWindow } from '../../../src/proxy/codec/http2-receive-window.ts';
import { RecentResets } from '../../../src/proxy/codec/http2-resets.ts';
import { defaultHttp2Settings } from '../../../src/proxy/codec/http2-settings.ts';

test('http/2 receive window: nobody who keeps to what was told is refused, and what was heard opens it again', () => {
  const size = 64 * 1024;
  const settings = { ...defaultHttp2Settings, connectionWindowBytes: size, initialWindowBytes: 100 };
  fc.assert(
    fc.property(fc.array(fc.nat(8_000), { minLength: 30, maxLength: 60 }), (pieces) => {
      const window = new ReceiveWindow(settings);
      let peerMaySend = size;
      for (const piece of pieces) {
        const sent = Math.min(piece, peerMaySend);
        assert.ok(window.receive(sent));
        peerMaySend += window.credit(sent) - sent;
      }
      assert.ok(peerMaySend > size / 2, 'what was heard is kept back');
      assert.ok(!window.receive(peerMaySend + 1));
    }),
  );
});

test('http/2 receive window: lends no more than all streams leave of it', () => {
  const window = new ReceiveWindow({
    ...defaultHttp2Settings,
    connectionWindowBytes: 16_000,
    initialWindowBytes: 100,
    maxConcurrentStreams: 50,
  });
  assert.equal(window.lend(6_000), 6_000);
  assert.equal(window.lend(6_000), 4_000); // 16,000 - 1,000 that may not have been told yet - 50 * 100
  assert.equal(window.lend(1), 0);
  window.giveBack(10);
  assert.equal(window.lend(100), 10);
});

test('http/2 resets: those of late are known, one that may be forgotten counts as known, others are not', () => {
  const resets = new RecentResets();
  assert.equal(resets.has(1), false);
  for (let id = 1; id < 2 * 512; id += 4) resets.add(id);
  assert.equal(resets.has(1), true);
  assert.equal(resets.has(3), false);
  for (let id = 2001; id < 2001 + 2 * 512; id += 2) resets.add(id);
  assert.equal(resets.has(1), true); // it was
  assert.equal(resets.has(3), true); // it may have been
  assert.equal(resets.has(1999), false);
  assert.equal(resets.has(2001), true);
});
