import type { Duplex } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import { contentHash } from '../base/content-hash.ts';
import { silentLog, type Logger } from '../base/log.ts';
import { jittered, type Random } from '../base/random.ts';
import { WatchSource, type Watch } from '../base/watch.ts';
import type { ProxyConfig, Resource, WorkloadRef } from '../mesh/resources.ts';
import { Channel } from './channel.ts';
import { FEATURES } from './features.ts';
import { Lookups } from './lookups.ts';
import { PROTOCOL, readControllerMessage, type Push } from './messages.ts';
import { readResource } from './read-resource.ts';
import type { LookupQuery } from './session.ts';
import type { StateStore } from './state-store.ts';

export interface DiscoveryClientOptions {
  /** Opens a stream to the controller (`dial.ts` in production). */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  readonly workload: WorkloadRef;
  readonly clock: Clock;
  readonly random: Random;
  readonly log?: Logger;
  /** Last good state; absent: none is kept. */
  readonly store?: StateStore;
  /**
   * Puts a configuration to work, all at once. Throwing refuses it: the controller is told why, the old one stays.
   * Called before `config` changes, for the state on disk too.
   */
  readonly apply?: (config: ProxyConfig) => void;
  readonly hopVersion?: number;
  readonly features?: readonly string[];
  readonly heartbeatMs?: number;
  readonly minBackoffMs?: number;
  readonly maxBackoffMs?: number;
}

export interface DiscoveryStatus {
  readonly connected: boolean;
  /** Where the present configuration comes from; `none`: everything is denied. */
  readonly source: 'none' | 'disk' | 'controller';
  /** The present configuration was acknowledged on this connection and nothing newer has been refused. */
  readonly synced: boolean;
  /** Why the last connection ended or the last push was refused. */
  readonly problem: string | undefined;
}

export interface DiscoveryClient {
  /** The configuration that is at work. Undefined before the first: deny. */
  readonly config: Watch<ProxyConfig>;
  readonly status: Watch<DiscoveryStatus>;
  /**
   * Asks for a service that is not known here. Resolves with true after `config` has it; false when there is none, the
   * controller is away, or 2 s have passed.
   */
  lookup(query: LookupQuery): Promise<boolean>;
  /** Keeps the configuration fresh until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** One resource cannot be larger than a frame; a whole push is larger than this only by mistake. */
const MAX_FRAME_BYTES = 4 * 1024 * 1024 + 1024;
const MAX_PUSH_RESOURCES = 200_000;
/** While changes go on, the state is written this often: whoever starts from it without a controller lacks no more than that. */
const SAVE_PACE_MS = 1_000;

/** The proxy's end of the configuration stream. */
export function discoveryClient(options: DiscoveryClientOptions): DiscoveryClient {
  return new StreamClient(options);
}

class StreamClient implements DiscoveryClient {
  readonly config = new WatchSource<ProxyConfig>();
  readonly status = new WatchSource<DiscoveryStatus>({
    connected: false,
    source: 'none',
    synced: false,
    problem: undefined,
  });
  readonly #options: DiscoveryClientOptions;
  readonly #log: Logger;
  readonly #lookups: Lookups;
  /** Versions as the controller counts them, of what `config` holds. */
  #versions: ReadonlyMap<string, string> = new Map();
  #channel: Channel | undefined;
  /** Parts of a push that is not complete yet. */
  #parts: Push[] = [];
  #failures = 0;
  #saving: Promise<void> | undefined;
  #unsaved: ProxyConfig | undefined;
  #stopping: AbortSignal | undefined;

  constructor(options: DiscoveryClientOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#lookups = new Lookups(options.clock);
  }

  lookup(query: LookupQuery): Promise<boolean> {
    return this.#lookups.ask(query, this.#channel);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, random, minBackoffMs = 100, maxBackoffMs = 10_000 } = this.#options;
    this.#stopping = signal;
    await this.#loadState();
    while (!signal.aborted) {
      await this.#connection(signal).catch((error: unknown) => this.#note({ problem: (error as Error).message }));
      if (signal.aborted) break;
      const backoffMs = jittered(Math.min(maxBackoffMs, minBackoffMs * 2 ** this.#failures++), 0.5, random);
      const { problem } = this.status.current()!;
      this.#log.warn('no connection to the controller, will retry', { problem, backoffMs });
      await clock.sleep(backoffMs, signal).catch(() => undefined);
    }
    await this.#saving;
  }

  /** One connection from hello to its end. */
  async #connection(signal: AbortSignal): Promise<void> {
    const duplex = await this.#options.open(signal);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = new AbortController();
    const channel = new Channel(duplex, {
      maxFrameBytes: MAX_FRAME_BYTES,
      onFrame: (frame) => this.#onFrame(frame, channel),
      onClose: (error) => {
        stop.abort();
        if (error === undefined) resolve();
        else reject(error);
      },
    });
    const abort = () => channel.close();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    this.#channel = channel;
    this.#sayHello(channel);
    this.#note({ connected: true });
    try {
      await Promise.all([promise, this.#beat(channel, stop.signal)]);
    } finally {
      signal.removeEventListener('abort', abort);
      channel.close(new Error('done'));
      this.#channel = undefined;
      this.#parts = []; // half a push counts for nothing
      this.#lookups.fail();
      this.#note({ connected: false, synced: false });
    }
  }

  #sayHello(channel: Channel): void {
    const { workload, features = FEATURES, hopVersion = 1 } = this.#options;
    const versions = Object.fromEntries(this.#versions);
    channel.send({ type: 'hello', protocol: PROTOCOL, workload, features, hopVersion, versions });
  }

  #onFrame(frame: unknown, channel: Channel): void {
    const message = readControllerMessage(frame);
    switch (message.type) {
      case 'push':
        this.#parts.push(message);
        if (this.#parts.reduce((n, p) => n + p.upserts.length, 0) > MAX_PUSH_RESOURCES) {
          throw new Error(`a push has more than ${MAX_PUSH_RESOURCES} resources`);
        }
        if (!message.more) this.#onPush(this.#parts.splice(0), channel);
        return;
      case 'found':
        return this.#lookups.answer(message.id, message.found);
      case 'refused':
        this.#note({ problem: message.reason });
        throw new Error(message.reason);
      case 'ping':
        return;
    }
  }

  #onPush(parts: readonly Push[], channel: Channel): void {
    const push = parts[0]!.push;
    try {
      const next = new Map(this.config.current());
      const versions = new Map(this.#versions);
      merge(parts, next, versions);
      this.#use(next, 'controller');
      this.#versions = versions;
    } catch (error) {
      const reason = (error as Error).message;
      this.#log.error('configuration refused, the old one stays', { reason });
      this.#note({ synced: false, problem: reason });
      channel.send({ type: 'nack', push, reason });
      return;
    }
    this.#failures = 0;
    this.#note({ source: 'controller', synced: true, problem: undefined });
    channel.send({ type: 'ack', push });
    this.#save(this.config.current()!);
  }

  /** @throws what `apply` throws, and for a configuration of another pod */
  #use(config: ProxyConfig, from: 'disk' | 'controller'): void {
    const { workload, apply } = this.#options;
    const own = config.get('workload');
    if (own?.type !== 'workload') throw new Error('the configuration does not say who this proxy is');
    if (own.labels.namespace !== workload.namespace || own.labels.pod !== workload.pod) {
      throw new Error(`the configuration is for pod ${own.labels.namespace}/${own.labels.pod}`);
    }
    apply?.(config);
    this.config.set(config);
    this.#note({ source: from });
  }

  async #loadState(): Promise<void> {
    try {
      const config = await this.#options.store?.load();
      if (config === undefined) return;
      this.#use(config, 'disk');
      this.#versions = new Map([...config].map(([key, resource]) => [key, contentHash(resource)]));
      this.#log.info('last good configuration taken from disk', { resources: config.size });
    } catch (error) {
      this.#log.error('last good configuration is unusable', { error: (error as Error).message });
    }
  }

  /** One write at a time, always of the newest, the last one too. A full disk costs the safety of a restart and nothing else. */
  #save(config: ProxyConfig): void {
    const { store, clock } = this.#options;
    if (store === undefined) return;
    this.#unsaved = config;
    this.#saving ??= (async () => {
      for (let next = this.#take(); next !== undefined; next = this.#take()) {
        await store.save(next).catch((error: unknown) => {
          this.#log.warn('last good configuration could not be written', { error: (error as Error).message });
        });
        await clock.sleep(SAVE_PACE_MS, this.#stopping!).catch(() => undefined); // stopping: what is left is written at once
      }
      this.#saving = undefined;
    })();
  }

  #take(): ProxyConfig | undefined {
    const config = this.#unsaved;
    this.#unsaved = undefined;
    return config;
  }

  async #beat(channel: Channel, signal: AbortSignal): Promise<void> {
    const { clock, heartbeatMs = 10_000 } = this.#options;
    let silentBeats = 0;
    let seen = 0;
    while (!channel.closed) {
      const ended = await clock.sleep(heartbeatMs, signal).then(
        () => false,
        () => true,
      );
      if (ended || channel.closed) return;
      silentBeats = channel.bytesRead === seen ? silentBeats + 1 : 0;
      seen = channel.bytesRead;
      if (silentBeats >= 3) channel.close(new Error('the controller has fallen silent'));
      else channel.send({ type: 'ping' });
    }
  }

  #note(change: Partial<DiscoveryStatus>): void {
    const now = this.status.current()!;
    const next = { ...now, ...change };
    if (Object.entries(change).some(([k, v]) => now[k as keyof DiscoveryStatus] !== v)) this.status.set(next);
  }
}

/** @throws Error naming the resource that this proxy cannot take */
function merge(parts: readonly Push[], config: Map<string, Resource>, versions: Map<string, string>): void {
  for (const { upserts, removed } of parts) {
    for (const key of removed) {
      config.delete(key);
      versions.delete(key);
    }
    for (const { version, resource: value } of upserts) {
      const resource = readResource(value);
      if (contentHash(resource) !== version) throw new Error(`${resource.key}: content does not fit its version`);
      config.set(resource.key, resource);
      versions.set(resource.key, version);
    }
  }
}
