import type { Socket } from 'node:net';
import { REASONS, type ReasonCode } from '../../mesh/reasons.ts';
import { detect } from '../codec/detect.ts';
import type { TimerWheel } from '../codec/timer-wheel.ts';
import { parseDestination, type Destination } from '../destination.ts';
import type { ProxyLimits } from '../limits.ts';
import { readFirst } from './first-bytes.ts';
import type { OutboundServer } from './outbound-server.ts';
import { parseGreeting, parseRequest, SOCKS_REPLY, socksReply } from './socks5.ts';

export interface ExplicitServerOptions {
  readonly outbound: OutboundServer;
  readonly timers: TimerWheel;
  readonly limits: ProxyLimits;
}

const SOCKS5 = 5;
const CONNECT = 'CONNECT ';

/**
 * One port for every way in which an app can be told to use a proxy: absolute-form HTTP, CONNECT, SOCKS5. After CONNECT
 * and SOCKS5 the bytes are treated as if the kernel had redirected them: gRPC clients use CONNECT for plain HTTP/2.
 */
export function explicitConnection(socket: Socket, options: ExplicitServerOptions): void {
  const { outbound, timers, limits } = options;
  readFirst(socket, timers, limits.detectTimeoutMs, (bytes, last) => {
    if (bytes.length === 0) return last ? () => void socket.destroy() : undefined;
    if (bytes[0] === SOCKS5) return () => socksGreeting(socket, bytes, options);
    const start = bytes.toString('latin1', 0, CONNECT.length);
    if (start === CONNECT) return () => connectRequest(socket, bytes, options);
    if (CONNECT.startsWith(start)) return last ? () => void socket.destroy() : undefined;
    if (detect(bytes) === 'http2') return () => outbound.explicitHttp2(socket, bytes);
    return () => outbound.explicitHttp(socket, bytes); // the codec refuses what is no HTTP
  });
}

/** `CONNECT host:port HTTP/1.1`, its fields ignored: nothing in them is for us. */
function connectRequest(socket: Socket, start: Buffer, options: ExplicitServerOptions): void {
  const { outbound, timers, limits } = options;
  socket.unshift(start);
  readFirst(socket, timers, limits.detectTimeoutMs, (bytes, last) => {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      if (bytes.length > limits.maxProxyHeadBytes) return () => refuseConnect(socket, 'HEAD_TOO_LARGE');
      return last ? () => refuseConnect(socket, 'REQUEST_TIMEOUT') : undefined;
    }
    return () => {
      const line = /^CONNECT (\S+) HTTP\/1\.[01]\r\n/.exec(bytes.toString('latin1', 0, end + 2));
      const destination = line?.[1] === undefined ? undefined : parseDestination(line[1]);
      if (destination === undefined) return refuseConnect(socket, 'BAD_REQUEST');
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      goOn(socket, bytes.subarray(end + 4), destination, outbound);
    };
  });
}

function refuseConnect(socket: Socket, code: ReasonCode): void {
  socket.end(
    `HTTP/1.1 ${REASONS[code].status} Refused\r\nx-weft-reason: ${code}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
    () => socket.destroy(),
  );
}

function socksGreeting(socket: Socket, start: Buffer, options: ExplicitServerOptions): void {
  socket.unshift(start);
  readFirst(socket, options.timers, options.limits.detectTimeoutMs, (bytes, last) => {
    const greeting = parseGreeting(bytes);
    if (greeting === 'more') return last ? () => void socket.destroy() : undefined;
    return () => {
      if (!greeting.accepted) return void socket.end(greeting.answer, () => socket.destroy());
      socket.write(greeting.answer);
      socksRequest(socket, bytes.subarray(greeting.length), options);
    };
  });
}

function socksRequest(socket: Socket, start: Buffer, options: ExplicitServerOptions): void {
  if (start.length > 0) socket.unshift(start);
  readFirst(socket, options.timers, options.limits.detectTimeoutMs, (bytes, last) => {
    const request = parseRequest(bytes);
    if (request === 'more') return last ? () => void socket.destroy() : undefined;
    return () => {
      const { destination, length } = request;
      if (typeof destination === 'number') return void socket.end(socksReply(destination), () => socket.destroy());
      socket.write(socksReply(SOCKS_REPLY.succeeded));
      goOn(socket, bytes.subarray(length), destination, options.outbound);
    };
  });
}

function goOn(socket: Socket, rest: Buffer, destination: Destination, outbound: OutboundServer): void {
  if (rest.length > 0) socket.unshift(rest);
  outbound.connection(socket, destination, 'tcp');
}
