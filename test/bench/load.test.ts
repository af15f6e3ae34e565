import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { HpackDecoder } from '../../src/proxy/codec/hpack-decoder.ts';
import { echoGrpc } from './app/grpc.ts';
import { answerHttp1, BODIES } from './app/http1.ts';
import { Driver, type Lane } from './load/driver.ts';
import { GrpcConnection } from './load/grpc-client.ts';
import { Http1Lane } from './load/http1-lane.ts';
import { HeaderEncoder, type HeaderList } from './load/http2-wire.ts';

async function serve(t: TestContext, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onConnection(socket);
  });
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

for (const reconnect of [false, true]) {
  test(`bench load: HTTP/1.1 gets every body whole, connections ${reconnect ? 'new' : 'kept'}`, async (t) => {
    const port = await serve(t, answerHttp1);
    for (const [path, bodyBytes] of Object.entries(BODIES)) {
      const driver = new Driver(0);
      const lane = new Http1Lane({ driver, port, path, bodyBytes, reconnect });
      if (!reconnect) await lane.connect();
      for (let units = 0; units === 0;) {
        const report = await driver.run([lane], 0.02);
        assert.equal(report.failures, 0, report.firstFailure);
        units = report.units;
      }
      lane.close();
    }
  });
}

test('bench load: a reply with another status or length, or none, is a failure with its reason', async (t) => {
  const replies = [
    'HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc',
    '',
  ];
  for (const reply of replies) {
    const port = await serve(t, (socket) => socket.on('data', () => socket.end(reply)));
    const driver = new Driver(0);
    const lane = new Http1Lane({ driver, port, path: '/', bodyBytes: 36, reconnect: false });
    await lane.connect();
    const { units, failures, firstFailure } = await driver.run([lane], 0.02);
    lane.close();
    assert.equal(units, 0);
    assert.ok(failures > 0);
    assert.equal(firstFailure, reply.split('\r\n')[0] || 'the connection ended');
  }
});

for (const streaming of [false, true]) {
  test(`bench load: gRPC ${streaming ? 'streaming' : 'unary'} gets its messages back`, async (t) => {
    const port = await serve(t, echoGrpc);
    const driver = new Driver(0);
    const connection = new GrpcConnection(driver, port, 3, streaming);
    await connection.connect();
    for (let units = 0; units <= 3;) {
      const report = await driver.run(connection.lanes, 0.05); // on a busy machine not much
      assert.equal(report.failures, 0, report.firstFailure);
      units += report.units;
    }
    connection.close();
  });
}

test('bench load: in an open loop a request that finds no free lane counts from when it was due', async () => {
  const driver = new Driver(100);
  const heldMs = 200;
  const lane: Lane = {
    startedMs: 0,
    send() {
      const delay = first ? heldMs : 0;
      first = false;
      setTimeout(() => driver.done(lane), delay);
    },
  };
  let first = true;
  const { units, failures, p50Ms } = await driver.run([lane], 0.2);
  assert.deepEqual([units, failures], [20, 0]);
  // Due every 10 ms while the only lane is held for 200 ms: without their wait, all but one would take no time at all
  assert.ok(p50Ms > heldMs / 4, `${p50Ms}`);
});

test('bench load: header lists come out as they went in, in whatever order they are sent', () => {
  const head: HeaderList = { fixed: [8], fields: [['content-type', 'application/grpc']] };
  const trailers: HeaderList = { fixed: [], fields: [['grpc-status', '0']] };
  for (const tableAllowed of [true, false]) {
    const encoder = new HeaderEncoder();
    encoder.tableAllowed = tableAllowed;
    const decoder = new HpackDecoder();
    const limits = { maxListBytes: 10_000, maxFields: 10 };
    for (const list of [head, head, trailers, head, trailers, trailers, head]) {
      const expected = [...list.fixed.flatMap(() => [':status', '200']), ...list.fields.flat()];
      const fields: string[] = [];
      assert.equal(decoder.decode(encoder.encode(list), limits, fields), undefined);
      assert.deepEqual(fields, expected);
    }
  }
});
