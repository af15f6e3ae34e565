import type { Duplex } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import { silentLog, type Logger } from '../base/log.ts';
import { WatchSource, type Watch } from '../base/watch.ts';
import type { ProxyConfig, Resource, WorkloadRef } from '../mesh/resources.ts';
import { Scope } from './scope.ts';
import { Session, type LookupQuery, type StreamLimits } from './session.ts';
import { Encoder } from './versions.ts';

export interface DiscoveryServerOptions {
  /** What each proxy should have, by `namespace/pod`. Undefined until there is a first one: proxies wait. */
  readonly configs: Watch<ReadonlyMap<string, ProxyConfig>>;
  /** UID of a pod as it is now; undefined while it is not known. Without it, pods of one ServiceAccount are not told apart. */
  readonly podUid?: (workload: WorkloadRef) => string | undefined;
  readonly clock: Clock;
  readonly log?: Logger;
  /** Number of services up to which every proxy gets all of them (`scope.ts`). */
  readonly everythingUpTo?: number;
  readonly limits?: Partial<StreamLimits>;
}

/** What is known about one connected proxy. */
export interface ProxyStatus {
  readonly workload: WorkloadRef;
  readonly identity: string;
  readonly features: readonly string[];
  readonly hopVersion: number;
  readonly connectedAt: number;
  /** Version that it has acknowledged, and since when; undefined before the first. */
  readonly version: string | undefined;
  readonly liveSince: number | undefined;
  /** Version that it should have; undefined while the pod is not known. */
  readonly wanted: string | undefined;
  /** The newest refusal, as long as it stands, and how many there were on this stream. */
  readonly rejection: { readonly version: string; readonly reason: string; readonly at: number } | undefined;
  readonly rejections: number;
  /** What is left out for it because it lacks a feature. */
  readonly losses: readonly string[];
}

export interface DiscoveryServer {
  /**
   * Serves one stream until it ends.
   * @param peerIdentity the SPIFFE ID that TLS has verified: it decides what the peer may ask for
   * @param peerPod UID of the pod that the peer's certificate names; undefined: it names none, as one of another authority
   */
  serve(duplex: Duplex, peerIdentity: string, peerPod?: string): Promise<void>;
  /** Connected proxies, sorted by namespace and pod. */
  proxies(): readonly ProxyStatus[];
  /** How many proxies should have any of these resources, and on how many of them the newest version of each is live. */
  progress(concerns: Iterable<Concern>): { readonly live: number; readonly of: number };
  /** Counts up whenever a proxy connects, leaves, acknowledges or refuses. */
  readonly changes: Watch<number>;
  /** Ends every stream. */
  close(): void;
}

/** A resource that matters to whoever asks for progress. */
export interface Concern {
  readonly key: string;
  /** At these pods only (`namespace/pod`); absent = at every pod. */
  readonly pods?: Iterable<string>;
}

const LIMITS: StreamLimits = {
  maxFrameBytes: 4 * 1024 * 1024,
  heartbeatMs: 10_000,
  answerTimeoutMs: 30_000,
  maxFramesPerHeartbeat: 2000,
};

/** Such a mesh is some 200 KB per proxy. */
const EVERYTHING_UP_TO = 200;

/** How many proxies get their deltas computed before other work has its turn. */
const SLICE = 32;

/** The controller's end of the configuration stream. */
export function discoveryServer(options: DiscoveryServerOptions): DiscoveryServer {
  const { configs, clock, log = silentLog, podUid = () => undefined } = options;
  const limits = { ...LIMITS, ...options.limits };
  const encoder = new Encoder();
  const streams = new Set<Session>();
  const sessions = new Map<string, Session>();
  const changes = new WatchSource(0);
  const changed = () => changes.set(changes.current()! + 1);
  const scope = new Scope({ configs, everythingUpTo: options.everythingUpTo ?? EVERYTHING_UP_TO });
  const wanted = (workload: WorkloadRef) => scope.wanted(workload);
  const stopWatching = configs.subscribe(() => sweep([...sessions.values()]));

  /** The newest stream of a pod counts: the old one is what a broken connection left behind. */
  function onHello(session: Session): void {
    const { workload, versions } = session.hello!;
    scope.adopt(workload, versions.keys());
    const name = nameOf(workload);
    const old = sessions.get(name);
    sessions.set(name, session);
    old?.end('replaced by a newer stream of the same pod');
  }

  async function serve(duplex: Duplex, peerIdentity: string, peerPod?: string): Promise<void> {
    const lookup = (workload: WorkloadRef, query: LookupQuery) => scope.lookup(workload, query);
    const shared = { clock, log, limits, encoder, wanted, lookup, podUid, onHello, onChange: changed };
    const session = new Session({ ...shared, duplex, peerIdentity, peerPod });
    streams.add(session);
    await session.closed;
    streams.delete(session);
    const name = session.hello === undefined ? '' : nameOf(session.hello.workload);
    if (sessions.get(name) !== session) return;
    sessions.delete(name);
    changed();
  }

  function isLive(pod: string, resource: Resource): boolean {
    const has = sessions.get(pod)?.live?.get(resource.key);
    return has === resource || (has !== undefined && encoder.encode(has).version === encoder.encode(resource).version);
  }

  function progress(concerns: Iterable<Concern>): { live: number; of: number } {
    const byPod = new Map<string, boolean>();
    for (const { key, pods } of concerns) {
      for (const name of pods ?? configs.current()?.keys() ?? []) {
        const [namespace = '', pod = ''] = name.split('/');
        const resource = wanted({ namespace, pod })?.get(key);
        if (resource !== undefined) byPod.set(name, byPod.get(name) !== false && isLive(name, resource));
      }
    }
    let live = 0;
    for (const all of byPod.values()) if (all) live++;
    return { live, of: byPod.size };
  }

  return {
    serve,
    proxies: () => [...sessions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, s]) => status(s, wanted, encoder)),
    progress,
    changes,
    close() {
      stopWatching();
      for (const session of [...streams]) session.end('the controller is stopping');
    },
  };
}

/** Pumps session after session, letting I/O in between: a change of one service may concern every proxy. */
function sweep(sessions: Session[]): void {
  for (const session of sessions.splice(0, SLICE)) session.pump();
  if (sessions.length > 0) setImmediate(sweep, sessions);
}

function status(session: Session, wanted: (w: WorkloadRef) => ProxyConfig | undefined, encoder: Encoder): ProxyStatus {
  const { hello, live, rejection } = session;
  const { workload, features, hopVersion } = hello!;
  const next = wanted(workload);
  return {
    workload,
    identity: session.peerIdentity,
    features,
    hopVersion,
    connectedAt: session.connectedAt,
    version: live && encoder.version(live),
    liveSince: session.liveSince,
    wanted: next && encoder.version(next),
    rejection: rejection && { version: encoder.version(rejection.config), reason: rejection.reason, at: rejection.at },
    rejections: session.rejections,
    losses: next === undefined ? [] : session.losses(next),
  };
}

function nameOf({ namespace, pod }: WorkloadRef): string {
  return `${namespace}/${pod}`;
}
