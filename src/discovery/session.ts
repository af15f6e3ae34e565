import type { Duplex } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { ProxyConfig, Resource, WorkloadRef } from '../mesh/resources.ts';
import { parseSpiffeId } from '../mesh/spiffe.ts';
import { Channel } from './channel.ts';
import { fitter, type Fitted } from './features.ts';
import { PROTOCOL, readProxyMessage, type Hello, type Lookup } from './messages.ts';
import { pushFrames } from './push-frames.ts';
import { delta, type Encoder } from './versions.ts';

/** What bounds one stream. The defaults are in `server.ts`. */
export interface StreamLimits {
  /** Largest frame in either direction. */
  readonly maxFrameBytes: number;
  /** Either side pings this often; three times this long without a byte from the proxy ends the stream. */
  readonly heartbeatMs: number;
  /** A push that is not answered within this time ends the stream: the reader is stuck or too slow. */
  readonly answerTimeoutMs: number;
  /** Frames that a proxy may send between two heartbeats. */
  readonly maxFramesPerHeartbeat: number;
}

export interface LookupQuery {
  readonly name?: string;
  readonly address?: string;
}

export interface SessionOptions {
  readonly duplex: Duplex;
  readonly peerIdentity: string;
  /** UID of the pod that the peer's certificate names, if it names one. */
  readonly peerPod: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limits: StreamLimits;
  readonly encoder: Encoder;
  /** Undefined while the pod is not known. */
  readonly wanted: (workload: WorkloadRef) => ProxyConfig | undefined;
  readonly podUid: (workload: WorkloadRef) => string | undefined;
  /** Widens what this workload gets by a service; false when there is none. */
  readonly lookup: (workload: WorkloadRef, query: LookupQuery) => boolean;
  /** The proxy has said who it is, and its identity may speak for that namespace. */
  readonly onHello: (session: Session) => void;
  /** Something of what `status` shows has changed. */
  readonly onChange: () => void;
}

/** Refusal of one configuration by the proxy (or by us, when it cannot be sent). */
export interface Rejection {
  readonly config: ProxyConfig;
  readonly reason: string;
  readonly at: number;
}

/** One proxy's stream, seen from the controller: at most one push is under way, the newest state follows it. */
export class Session {
  /** Set by hello. */
  hello: Hello | undefined;
  /** What the proxy has acknowledged. */
  live: ProxyConfig | undefined;
  /** When `live` became so. */
  liveSince: number | undefined;
  rejection: Rejection | undefined;
  rejections = 0;
  readonly connectedAt: number;
  readonly peerIdentity: string;
  readonly closed: Promise<void>;
  readonly #options: SessionOptions;
  readonly #channel: Channel;
  readonly #stop = new AbortController();
  #fit: (resource: Resource) => Fitted = (resource) => ({ resource, losses: [] });
  #inFlight: { readonly push: number; readonly config: ProxyConfig; readonly since: number } | undefined;
  #pushes = 0;
  #frames = 0;
  /** Lookups whose answer follows the push that carries it. */
  #answers: number[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    this.peerIdentity = options.peerIdentity;
    this.connectedAt = options.clock.now();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#channel = new Channel(options.duplex, {
      maxFrameBytes: options.limits.maxFrameBytes,
      onFrame: (frame) => this.#onFrame(frame),
      onClose: (error) => {
        this.#stop.abort();
        if (error !== undefined) options.log.info('discovery stream broke', { ...this.#who(), error: error.message });
        resolve();
      },
    });
    void this.#beat();
  }

  /** Sends what the proxy lacks, unless a push is under way: then it follows when that one is answered. */
  pump(): void {
    if (this.hello === undefined || this.#inFlight !== undefined || this.#channel.closed) return;
    const next = this.#options.wanted(this.hello.workload);
    if (next === undefined) return;
    const stranger = this.#stranger(this.hello.workload, next);
    if (stranger !== undefined) return this.refuse(stranger);
    if (next === this.live) return this.#answer(true);
    const change = this.#change(next);
    if (this.live !== undefined && change.upserts.length === 0 && change.removed.length === 0) {
      this.live = next;
      return this.#answer(true);
    }
    if (this.rejection !== undefined && sameContent(this.rejection.config, next, this.#options.encoder)) {
      return this.#answer(false); // the same again would be refused again
    }
    this.#inFlight = { push: ++this.#pushes, config: next, since: this.#options.clock.now() };
    void this.#send(this.#pushes, change);
  }

  /** Tells the proxy why, and ends the stream. */
  refuse(reason: string): void {
    if (this.#channel.closed) return;
    this.#options.log.warn('discovery stream refused', { ...this.#who(), reason });
    this.end(reason);
  }

  /** Ends the stream through no fault of the proxy, which is told the reason and comes back. */
  end(reason: string): void {
    this.#channel.send({ type: 'refused', reason });
    this.#channel.close();
  }

  /** What has to be left out of a configuration for this proxy's features. */
  losses(config: ProxyConfig): readonly string[] {
    return [...config.values()].flatMap((resource) => this.#fit(resource).losses);
  }

  #onFrame(frame: unknown): void {
    const { limits } = this.#options;
    if (++this.#frames > limits.maxFramesPerHeartbeat) return this.refuse('too many frames');
    const message = readProxyMessage(frame);
    if (this.hello === undefined && message.type !== 'hello') throw new Error(`${message.type} came before hello`);
    switch (message.type) {
      case 'hello':
        return this.#onHello(message);
      case 'ack':
        return this.#onAnswer(message.push, undefined);
      case 'nack':
        return this.#onAnswer(message.push, message.reason);
      case 'lookup':
        return this.#onLookup(message);
      case 'ping':
        return;
    }
  }

  #onHello(hello: Hello): void {
    if (this.hello !== undefined) throw new Error('a second hello');
    if (hello.protocol !== PROTOCOL) {
      return this.refuse(`this controller speaks protocol ${PROTOCOL}, the proxy speaks ${hello.protocol}`);
    }
    // A pod that is not known yet is compared in pump(), when it is; another namespace never gets that far.
    if (parseSpiffeId(this.peerIdentity)?.namespace !== hello.workload.namespace) {
      return this.refuse(`${this.peerIdentity} may not ask for pods of namespace ${hello.workload.namespace}`);
    }
    const wanted = this.#options.wanted(hello.workload);
    // before it could replace the stream of the pod that it claims to be
    const stranger = wanted === undefined ? undefined : this.#stranger(hello.workload, wanted);
    if (stranger !== undefined) return this.refuse(stranger);
    this.hello = hello;
    this.#fit = fitter(new Set(hello.features));
    this.#options.onHello(this);
    this.#options.onChange();
    this.pump();
  }

  /** Why the peer is not the pod that it says it is; undefined: it is. Pods of one ServiceAccount differ in their UID only. */
  #stranger(asked: WorkloadRef, config: ProxyConfig): string | undefined {
    const { peerIdentity, peerPod, podUid } = this.#options;
    const workload = config.get('workload');
    if (workload?.type !== 'workload' || workload.identity !== peerIdentity) {
      return `${peerIdentity} is not the identity of this pod`;
    }
    const uid = podUid(asked);
    if (peerPod === undefined || uid === undefined || uid === peerPod) return undefined;
    return `the certificate is that of another pod of ${peerIdentity}`;
  }

  #onAnswer(push: number, refusal: string | undefined): void {
    const inFlight = this.#inFlight;
    if (inFlight?.push !== push) throw new Error(`push ${push} is not under way`);
    this.#inFlight = undefined;
    const now = this.#options.clock.now();
    if (refusal === undefined) {
      this.live = inFlight.config;
      this.liveSince = now;
      this.rejection = undefined;
    } else {
      this.#reject(inFlight.config, refusal);
    }
    this.#options.onChange();
    this.pump();
  }

  #reject(config: ProxyConfig, reason: string): void {
    this.rejections++;
    this.rejection = { config, reason, at: this.#options.clock.now() };
    this.#options.log.warn('proxy refused its configuration', { ...this.#who(), reason });
    this.#answer(false);
  }

  #onLookup({ id, name, address }: Lookup): void {
    const query = { ...(name === undefined ? {} : { name }), ...(address === undefined ? {} : { address }) };
    if (!this.#options.lookup(this.hello!.workload, query)) {
      this.#channel.send({ type: 'found', id, found: false });
      return;
    }
    this.#answers.push(id); // follows the push that carries it
    this.pump();
  }

  #answer(found: boolean): void {
    for (const id of this.#answers.splice(0)) this.#channel.send({ type: 'found', id, found });
  }

  /** Against what the proxy has acknowledged, or for the first push against what it said that it holds. */
  #change(next: ProxyConfig) {
    const { encoder } = this.#options;
    const upserts = [];
    const changed = this.live === undefined ? undefined : delta(this.live, next, encoder);
    for (const resource of changed?.upserts ?? next.values()) {
      const fitted = this.#fit(resource).resource;
      if (fitted === undefined) continue;
      const encoded = encoder.encode(fitted);
      if (changed === undefined && this.hello!.versions.get(resource.key) === encoded.version) continue;
      upserts.push(encoded);
    }
    const removed = changed?.removed ?? [...this.hello!.versions.keys()].filter((key) => !next.has(key));
    return { upserts, removed };
  }

  async #send(push: number, change: { upserts: ReturnType<Encoder['encode']>[]; removed: readonly string[] }) {
    const { maxFrameBytes } = this.#options.limits;
    const config = this.#inFlight!.config;
    const tooLarge = change.upserts.find((u) => Buffer.byteLength(u.json) > maxFrameBytes - 1024);
    if (tooLarge !== undefined) {
      this.#inFlight = undefined;
      this.#reject(config, `${tooLarge.json.slice(0, 200)}... is larger than a frame of ${maxFrameBytes} bytes`);
      return this.#options.onChange();
    }
    for (const frame of pushFrames(push, change)) {
      // A slow reader holds up only its own push: what is not written yet is not encoded yet.
      if (!this.#channel.sendText(frame)) await this.#channel.drained();
    }
  }

  async #beat(): Promise<void> {
    const { clock, limits } = this.#options;
    let silentBeats = 0;
    let seen = 0;
    try {
      for (;;) {
        await clock.sleep(limits.heartbeatMs, this.#stop.signal);
        silentBeats = this.#channel.bytesRead === seen ? silentBeats + 1 : 0;
        seen = this.#channel.bytesRead;
        this.#frames = 0;
        const since = this.#inFlight?.since ?? Infinity;
        if (silentBeats >= 3) this.#channel.close(new Error('the proxy has fallen silent'));
        else if (clock.now() - since > limits.answerTimeoutMs) this.#channel.close(new Error('a push is not answered'));
        else if (this.hello === undefined && silentBeats > 0) this.#channel.close(new Error('no hello came'));
        else this.#channel.send({ type: 'ping' });
      }
    } catch {
      // the stream has ended
    }
  }

  #who() {
    const workload = this.hello?.workload;
    return {
      identity: this.peerIdentity,
      ...(workload === undefined ? {} : { pod: `${workload.namespace}/${workload.pod}` }),
    };
  }
}

function sameContent(a: ProxyConfig, b: ProxyConfig, encoder: Encoder): boolean {
  if (a === b) return true;
  const { upserts, removed } = delta(a, b, encoder);
  return upserts.length === 0 && removed.length === 0;
}
