import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Watch } from '../base/watch.ts';
import type { Credentials } from '../mesh/credentials.ts';
import type { ProxyConfig } from '../mesh/resources.ts';
import type { TrafficSeries } from '../mesh/traffic.ts';
import type { CodecLimits } from './codec/stream.ts';
import type { Destination } from './destination.ts';
import type { AccessEntry } from './filter/record.ts';
import type { ProxyLimits } from './limits.ts';
import type { PoolState } from './pool/pool.ts';
import type { ListenAddress, ListenerKind } from './server/listener.ts';

/** Where the sidecar listens. Each is optional; port 0 is a free one (`describe` says which). */
export interface ProxyListeners {
  /** Outgoing connections that the kernel redirects here; 15001. */
  readonly outbound?: ListenAddress;
  /** Outgoing, as the app's proxy: absolute-form HTTP, CONNECT and SOCKS5 on one port. */
  readonly explicit?: ListenAddress;
  /** Outgoing to one fixed destination each: standalone pairs, VMs. */
  readonly forward?: readonly ForwardAddress[];
  /** Incoming plain connections that the kernel redirects here; 15006. */
  readonly inbound?: ListenAddress;
  /** Incoming plain connections without redirection: one listener per port of the app on this address. */
  readonly inboundPorts?: { readonly address: string };
  /** Tunnels of other sidecars; 15008. */
  readonly tunnel?: ListenAddress;
}

export interface ForwardAddress extends ListenAddress {
  /** `host:port` */
  readonly destination: string;
}

export interface ProxyOptions {
  readonly listeners: ProxyListeners;
  /** Where the app listens; absent: at the very address that was called. */
  readonly appAddress?: string;
  /** Addresses of the pod besides the one that a tunnel arrives at (dual stack). */
  readonly podAddresses?: readonly string[];
  /** Port of the peers' tunnel listeners; default 15008. */
  readonly tunnelPort?: number;
  readonly config: Watch<ProxyConfig>;
  readonly credentials: Watch<Credentials>;
  /** On-demand discovery. Resolves once the answer, if there is one, is in `config`; held for 2 s at most. */
  readonly lookup?: (destination: Destination) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Gets one entry per finished exchange. Absent: nothing is built for it. */
  readonly accessLog?: (entry: AccessEntry) => void;
  /** Names this sidecar in what passes it, to find loops; default a random name. Workers of one sidecar share it. */
  readonly instance?: string;
  /** Whether the listening ports are shared with the other workers of this sidecar (SO_REUSEPORT). */
  readonly reusePort?: boolean;
  /** False: counts no traffic, so that the bench can say what counting costs. */
  readonly metrics?: boolean;
  readonly limits?: Partial<ProxyLimits>;
  readonly codecLimits?: Partial<CodecLimits>;
  /** Addresses or networks that apps must not call unless they are a known Service. */
  readonly forbidden?: readonly string[];
  /** Header names that claim an identity, besides those that are always stripped. */
  readonly identityHeaders?: readonly string[];
  /** Ports of this sidecar besides its listeners; default 15020 (admin). */
  readonly reservedPorts?: readonly number[];
}

/** The data path of one sidecar. */
export interface Proxy {
  /**
   * Serves until aborted, then drains: listeners close at once, running exchanges get `drainMs`.
   * @throws Error when a listener cannot be opened
   */
  run(signal: AbortSignal): Promise<void>;
  /** True while it listens, has a configuration and, where it needs them, credentials. */
  readonly ready: Watch<boolean>;
  /** Counters, live: read them, do not keep them. */
  traffic(): Iterable<TrafficSeries>;
  /** Plain JSON for the admin's config dump. No secrets. */
  describe(): ProxyState;
}

export interface ProxyState {
  readonly instance: string;
  readonly ready: boolean;
  readonly identity: string | undefined;
  /** Of the certificate in use; milliseconds since 1970. */
  readonly certificateNotAfter: number | undefined;
  readonly listeners: readonly ListenerState[];
  readonly config: {
    readonly resources: number;
    readonly services: number;
    readonly mode: string | undefined;
    /** Why the newest configuration was refused; undefined when it runs. */
    readonly refused: string | undefined;
  };
  readonly endpoints: readonly EndpointState[];
  readonly pools: readonly PoolState[];
  readonly exchanges: number;
  readonly connections: number;
  readonly tunnels: { readonly open: number; readonly refused: number };
}

export interface ListenerState {
  readonly kind: ListenerKind;
  readonly address: string;
  readonly port: number;
  readonly connections: number;
}

export interface EndpointState {
  readonly address: string;
  readonly port: number;
  readonly identity: string | undefined;
  readonly active: number;
  readonly failures: number;
}
