import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { spdyHeaders } from '../../../src/local/api/pods/spdy-headers.ts';

test('SPDY headers: what one side writes the other reads, block after block', async () => {
  const [client, server] = [spdyHeaders(), spdyHeaders()];
  for (const headers of [
    { streamtype: 'data', port: '80' },
    {},
    { streamtype: 'error', port: '8080', requestid: '1' },
  ]) {
    assert.deepEqual(Object.fromEntries(await server.read(await client.write(headers))), headers);
  }
});

test('SPDY headers: a block that would inflate to much is not inflated', async () => {
  const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
  await assert.rejects(spdyHeaders().read(bomb), /larger than 64 KiB/);
});

test('SPDY headers: headers of many reads of the inflater are read whole', async () => {
  const headers = { value: Array.from({ length: 6000 }, (_, i) => i).join(' ') };
  assert.deepEqual(Object.fromEntries(await spdyHeaders().read(await spdyHeaders().write(headers))), headers);
});

test('SPDY headers: a block that ends too early, or is none, is an error', async () => {
  const lying = Buffer.from([0, 0, 0, 9, 0, 0, 0, 1, 0x61]); // nine pairs are announced
  await assert.rejects(spdyHeaders().read(deflateSync(lying)), /cut off/);
  await assert.rejects(spdyHeaders().read(Buffer.from('nonsense')), /incorrect header check/);
});
