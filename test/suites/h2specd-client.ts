import { connect } from 'node:net';
import { http2Client } from '../../src/proxy/codec/http2-client.ts';
import { defaultLimits } from '../../src/proxy/codec/limits.ts';
import { TimerWheel } from '../../src/proxy/codec/timer-wheel.ts';

// One request by our client half to the URL that is given, as h2specd wants it for each of its cases.
const url = new URL(process.argv[2] ?? '');
const socket = connect(Number(url.port), url.hostname);
const connection = http2Client(socket, { limits: defaultLimits, timers: new TimerWheel() });
const head = {
  method: 'GET',
  path: url.pathname,
  authority: url.host,
  scheme: 'http' as const,
  headers: [],
  version: '2' as const,
  protocol: undefined,
  destination: undefined,
  contentLength: 0,
};
socket.on('close', () => process.exit());
setTimeout(() => process.exit(), 2500); // h2specd gives up after 3 s; until then it is its turn to close
connection.open(head, true, {
  onInformational() {},
  onHead() {},
  onData() {},
  onEnd() {},
  onError: (error) => console.log(error.code),
  onWritable() {},
});
