import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { TimerWheel } from '../../src/proxy/codec/timer-wheel.ts';
import { ProxyError } from '../../src/proxy/error.ts';
import { connector } from '../../src/proxy/pool/connect.ts';
import { OwnConnections } from '../../src/proxy/own-connections.ts';
import { detectProtocol } from '../../src/proxy/server/first-bytes.ts';

const FAR_AWAY_MS = 60_000;

/** Opens a connection and closes it again. @returns both ends, held by nobody here */
async function closedConnection(timers: TimerWheel): Promise<{ accepted: WeakRef<Socket>; dialled: WeakRef<Socket> }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const dial = connector({
    timers,
    connectTimeoutMs: FAR_AWAY_MS,
    forbidden: () => undefined,
    ownConnections: new OwnConnections(),
  });
  const dialled = new Promise<Socket | ProxyError>((resolve) => dial({ host: '127.0.0.1', port }, resolve));
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const detected = new Promise((resolve) => detectProtocol(accepted, timers, FAR_AWAY_MS, resolve));
  const socket = await dialled;
  assert.ok(!(socket instanceof ProxyError));
  socket.write('GET / HTTP/1.1\r\n');
  assert.equal(await detected, 'http1');
  accepted.destroy();
  socket.destroy();
  await once(socket, 'close');
  server.close();
  return { accepted: new WeakRef(accepted), dialled: new WeakRef(socket) };
}

test('a closed connection is not kept until the deadlines that it was given', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const timers = new TimerWheel();
  const { accepted, dialled } = await closedConnection(timers);
  const isKept = () => accepted.deref() !== undefined || dialled.deref() !== undefined;
  for (let turns = 0; turns < 100 && isKept(); turns++) {
    await turn();
    collect();
  }
  assert.ok(!isKept());
  assert.equal(timers.size, 0);
  timers.stop();
});
