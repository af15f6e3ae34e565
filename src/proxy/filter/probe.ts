import type { TimerWheel } from '../codec/timer-wheel.ts';
import { ProxyError } from '../error.ts';
import type { ProxyLimits } from '../limits.ts';
import type { Upstreams } from '../pool/upstreams.ts';
import { refuseWith } from '../refuse.ts';
import type { InboundExchange } from './inbound.ts';

export interface ProbeOptions {
  readonly upstreams: Upstreams;
  readonly appAddress: string | undefined;
  readonly timers: TimerWheel;
  readonly limits: ProxyLimits;
}

/**
 * The kubelet's TCP probe has no identity and only opens a connection. It sees whether the app accepts one, and that is
 * all: no byte passes in either direction, and its first byte ends it.
 */
export function probePort({
  upstreams,
  appAddress,
  timers,
  limits,
}: ProbeOptions): (exchange: InboundExchange) => void {
  return function probe(exchange) {
    const { host, port } = exchange.destination!;
    const timer = timers.timer(() => end(new ProxyError('NO_IDENTITY', 'a probe that does not end')));
    const end = (error: ProxyError) => {
      timer.dispose();
      refuseWith(exchange, error);
    };
    timer.set(limits.detectTimeoutMs);
    exchange.stream.events = {
      onData: () => end(new ProxyError('NO_IDENTITY', 'a probe may open a connection, not use it')),
      onEnd() {
        timer.dispose();
        exchange.stream.sendEnd();
        exchange.finish(undefined);
      },
      onError(error) {
        timer.dispose();
        exchange.finish(error);
      },
      onWritable() {},
    };
    upstreams.plain({ host: appAddress ?? host, port }, 'tcp').take({
      get cancelled() {
        return exchange.finished;
      },
      onConnection: (connection) => connection.destroy(),
      onNoConnection: end,
    });
  };
}
