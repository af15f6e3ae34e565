import { setTimeout as sleep } from 'node:timers/promises';
import type { Capabilities } from './capabilities.ts';
import { fill, type Actor, type Case, type CasePod, type Destination, type Traffic } from './case.ts';
import type { Controls } from './controls.ts';
import type { Driver } from './driver.ts';
import type { Fleet, Home, Workload } from './fleet.ts';
import { judge, type Finding, type Observation } from './judge.ts';
import type { Kube, KubeObject } from './kube.ts';
import { shares } from './judge.ts';
import { RESAMPLE_FACTOR } from './statistics.ts';
import type { Call } from './testapp/protocol.ts';

export interface LabOptions {
  readonly subject: Case;
  readonly kube: Kube;
  readonly fleet: Fleet;
  readonly capabilities: Capabilities;
  /** False-alarm rate of each band of the run. */
  readonly alpha: number;
  /** The workloads that `$b` and `$b2` stand for. */
  readonly targets: readonly string[];
  readonly controls?: Controls;
  readonly signal: AbortSignal;
}

/** What the case is about cannot be brought about here; the message says why. It is skipped, and counted. */
export class CaseSkipped extends Error {}

/** An expectation did not come true. */
export class CaseFailure extends Error {}

const POLL_MS = 150;
const STABLE_POLL_MS = 700;
/** While waiting for a change to arrive, a small sample decides; it may be wrong one time in a thousand. */
const GLANCE_ALPHA = 0.001;
const GLANCE_SHARE_REQUESTS = 100;
const GLANCE_REQUESTS = 30;
/** A band is judged from so many, where the case does not say. */
const SHARE_REQUESTS = 1000;

/** What one case does with the mesh: objects, traffic, waiting. Keeps the evidence. */
export class Lab {
  readonly kube: Kube;
  readonly capabilities: Capabilities;
  readonly signal: AbortSignal;
  readonly evidence: string[] = [];
  readonly controls: Controls;
  /** Versions of SMI's APIs that the case has spoken. */
  readonly versions = new Set<string>();
  /** Steps of the community suite that it has passed. */
  readonly passed: string[] = [];
  readonly #guests: Workload[] = [];
  readonly #options: LabOptions;
  readonly #values: Readonly<Record<string, string>>;
  readonly #applied = new Map<string, KubeObject>();
  #ids = 0;

  constructor(options: LabOptions) {
    this.#options = options;
    this.kube = options.kube;
    this.capabilities = options.capabilities;
    this.signal = options.signal;
    this.controls = options.controls ?? {};
    const { fleet, subject, targets } = options;
    this.#values = {
      id: subject.id.toLowerCase(),
      ns: fleet.namespace(subject.home === 'none' ? 'split' : subject.home),
      policy: fleet.namespace('policy'),
      other: fleet.namespace('other'),
      split: fleet.namespace('split'),
      domain: options.capabilities.clusterDomain,
      b: targets[0] ?? '',
      b2: targets[1] ?? '',
      spiffeOfA: options.capabilities.spiffeId
        .replace('{namespace}', fleet.namespace('policy'))
        .replace('{serviceAccount}', 'a'),
    };
  }

  /** An object of the case as it is applied: names filled in, version and namespace set. */
  object(object: KubeObject): KubeObject {
    const filled = fill(object, this.#values);
    const [group = '', version] = filled.apiVersion.split('/');
    const { versions } = this.capabilities;
    const key = group.replace('.smi-spec.io', '') as keyof typeof versions;
    const apiVersion = version === undefined && group.includes('.') ? `${group}/${versions[key]}` : filled.apiVersion;
    if (group.endsWith('.smi-spec.io')) this.versions.add(apiVersion);
    return { ...filled, apiVersion, metadata: { namespace: this.#values['ns'] ?? '', ...filled.metadata } };
  }

  /** The same object, as clients of another version of its API name it. */
  objectAs(object: KubeObject, version: string): KubeObject {
    const [group = ''] = object.apiVersion.split('/');
    return this.object({ ...object, apiVersion: `${group}/${version}` });
  }

  /** The case's names filled in. */
  filled<T>(data: T): T {
    return fill(data, this.#values);
  }

  text(text: string): string {
    return fill(text, this.#values);
  }

  /** Creates pods of the case's own and waits until they are ready. */
  async pods(pods: readonly CasePod[]): Promise<void> {
    const added = await Promise.all(pods.map((pod) => this.addPod(pod)));
    await Promise.all(added.map((workload) => this.#options.fleet.settled(workload)));
  }

  /** Creates a pod of the case's own; its start goes on. */
  async addPod(pod: CasePod): Promise<Workload> {
    const { name, account = name, labels, unready } = fill(pod, this.#values);
    const workload: Workload = {
      home: this.home,
      name,
      serviceAccount: account,
      ...(labels === undefined ? {} : { labels }),
      ...(unready === undefined ? {} : { unready }),
    };
    this.#guests.push(workload);
    await this.#options.fleet.addGuest(workload);
    return workload;
  }

  async removePod({ home, name }: Workload): Promise<void> {
    await this.#options.fleet.removeGuest(home, name);
    this.#guests.splice(
      this.#guests.findIndex((guest) => guest.home === home && guest.name === name),
      1,
    );
  }

  /** Pods of the case's own, as they were made. */
  get guests(): readonly Workload[] {
    return this.#guests;
  }

  get fleet(): Fleet {
    return this.#options.fleet;
  }

  /** The namespace that the case plays in. */
  get home(): Home {
    return this.#options.subject.home === 'policy' ? 'policy' : 'split';
  }

  async apply(objects: readonly KubeObject[]): Promise<void> {
    for (const given of objects) {
      const object = this.object(given);
      this.#applied.set(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`, object);
      await this.kube.apply(object);
    }
  }

  /** Remembers an object that somebody else has made, so that it is removed with the others. */
  adopt(object: KubeObject): void {
    this.#applied.set(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`, object);
  }

  async remove(objects: readonly KubeObject[]): Promise<void> {
    for (const given of objects) {
      const object = this.object(given);
      this.#applied.delete(`${object.kind}/${object.metadata.namespace}/${object.metadata.name}`);
      await this.kube.remove(object);
    }
  }

  /** Removes what is left, whatever happened before. */
  async removeAll(): Promise<void> {
    for (const object of [...this.#applied.values()].reverse()) await this.kube.remove(object).catch(() => undefined);
    this.#applied.clear();
  }

  async removePods(): Promise<void> {
    await Promise.all(
      this.#guests.splice(0).map(({ home, name }) => this.fleet.removeGuest(home, name).catch(() => undefined)),
    );
  }

  driver(actor: Actor): Driver {
    const name = fill<string>(actor, this.#values);
    if (name === 'outsider') return this.#options.fleet.driver('unmeshed', 'outsider');
    if (name.startsWith('other/')) return this.#options.fleet.driver('other', name.slice('other/'.length));
    if (this.#options.fleet.workload(this.home, name) !== undefined) return this.#options.fleet.driver(this.home, name);
    const home = name === 'web' || name === 'v1' ? 'split' : 'policy';
    return this.#options.fleet.driver(home, name);
  }

  /** The call that a piece of traffic means. */
  async call(given: Traffic): Promise<Call> {
    const traffic = fill(given, this.#values);
    const { port = 8080, protocol = 'http1' } = traffic;
    const { host, authority } = await this.#destination(traffic.to, port);
    const headers = [...(traffic.headers ?? []), ...(traffic.forged === true ? this.#forged() : [])];
    const { method, path, paths, bytes, reuse, direct, tunnel } = traffic;
    const concurrency = atOnce(traffic);
    const count = traffic.count ?? (isShares(traffic) ? SHARE_REQUESTS : undefined);
    const perConnection = requestsPerConnection(traffic);
    return {
      protocol,
      host,
      port,
      id: `${this.#values['id']}-${++this.#ids}-${Math.random().toString(36).slice(2, 8)}`,
      timeoutMs: 4000,
      ...(authority === undefined ? {} : { authority }),
      ...(headers.length === 0 ? {} : { headers }),
      ...Object.fromEntries(
        Object.entries({ method, path, paths, bytes, count, concurrency, reuse, perConnection, direct, tunnel }).filter(
          ([, value]) => value !== undefined,
        ),
      ),
    };
  }

  /** Sends the traffic once and compares. `count` overrules its number of requests. */
  async observe(given: Traffic, alpha: number, count?: number): Promise<Finding> {
    const traffic = fill(given, this.#values);
    const call = await this.call(count === undefined ? traffic : { ...traffic, count });
    const result = await this.driver(traffic.from).call(call);
    const receiver = this.#receiver(traffic.to);
    const arrived = typeof traffic.is === 'object' && 'arrives' in traffic.is;
    const served = arrived ? result.tallies[0]?.answer.by?.app : undefined;
    const observer = receiver ?? (served === undefined ? undefined : this.#workloadOf(served));
    const seen =
      observer === undefined ? undefined : (await this.#options.fleet.driver(...observer).seen([call.id]))[call.id];
    const observation: Observation = {
      traffic,
      call,
      result,
      ...(seen === undefined ? {} : { seen }),
      ...(receiver === undefined ? {} : { app: receiver[1] }),
    };
    return judge(observation, alpha);
  }

  /**
   * All of it must come true together within the propagation bound, hold for as many requests as are asked for, and
   * stay true. While waiting and watching, fewer requests do.
   */
  async expect(traffic: readonly Traffic[]): Promise<void> {
    await this.eventually(() => Promise.all(traffic.map((item) => this.#glance(item))));
    for (const item of traffic) {
      if (isShares(item)) await this.#judgeShares(item);
      else if ((item.count ?? 1) > GLANCE_REQUESTS) this.#mustHold(await this.observe(item, this.#options.alpha));
    }
    await this.#staysTrue(traffic.filter((item) => !isShares(item)));
  }

  async #staysTrue(traffic: readonly Traffic[]): Promise<void> {
    if (traffic.length === 0) return;
    const until = Date.now() + this.capabilities.stableSeconds * 1000;
    let last: readonly Finding[] = [];
    while (Date.now() < until) {
      await this.pause(Math.min(STABLE_POLL_MS, Math.max(0, until - Date.now())));
      last = await Promise.all(traffic.map((item) => this.#glance(item)));
      const broken = last.find(({ holds }) => !holds);
      if (broken !== undefined) throw this.#failure('it came true, but did not stay so', [broken]);
    }
    this.evidence.push(...last.map(({ text }) => text));
  }

  /** Enough to see whether a change has arrived. */
  #glance(item: Traffic): Promise<Finding> {
    if (isShares(item)) return this.observe(item, GLANCE_ALPHA, GLANCE_SHARE_REQUESTS);
    return this.observe(item, 1, Math.min(item.count ?? 1, GLANCE_REQUESTS));
  }

  #mustHold(finding: Finding): void {
    if (!finding.holds) throw this.#failure('it came true for a few requests, but not for all', [finding]);
    this.evidence.push(finding.text);
  }

  /**
   * Repeats until every finding holds; fails with the first ones that do not after the propagation bound. A look takes a
   * while: what it saw when it began before the bound says nothing of a change that arrived meanwhile.
   */
  async eventually(look: () => Promise<readonly Finding[]>): Promise<void> {
    const deadline = Date.now() + this.capabilities.propagationSeconds * 1000;
    for (;;) {
      const begun = Date.now();
      const findings = await look();
      const broken = findings.filter(({ holds }) => !holds);
      if (broken.length === 0) return;
      if (begun >= deadline) throw this.#failure(`not true within ${this.capabilities.propagationSeconds} s`, broken);
      await sleep(POLL_MS, undefined, { signal: this.signal });
    }
  }

  /** Ends the case when `holds` is false; notes the evidence either way. */
  check(holds: boolean, text: string): void {
    if (!holds) throw this.#failure('expected otherwise', [{ holds, text }]);
    this.evidence.push(text);
  }

  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.signal });
  }

  #failure(how: string, findings: readonly Finding[]): CaseFailure {
    this.evidence.push(...findings.map(({ text }) => `FAILED ${text}`));
    return new CaseFailure(`${how}: ${findings.map(({ text }) => text).join(' | ')}`);
  }

  async #judgeShares(traffic: Traffic): Promise<void> {
    const first = await this.observe(traffic, this.#options.alpha);
    this.evidence.push(`shares ${first.sample === undefined ? first.text : shares(first.sample)}`);
    if (first.holds) return;
    if (first.sample === undefined || first.sample.outliers.length === 0)
      throw this.#failure('a reply failed', [first]);
    const again = await this.observe(traffic, this.#options.alpha, RESAMPLE_FACTOR * first.sample.requests);
    this.evidence.push(`sampled once more: ${again.sample === undefined ? again.text : shares(again.sample)}`);
    if (!again.holds) throw this.#failure('twice', [first, again]);
  }

  /** Host to connect to and the authority to name, where that differs. */
  async #destination(to: Destination, port: number): Promise<{ host: string; authority?: string }> {
    if ('pod' in to) {
      const [home, name] = this.#place(to.pod);
      return { host: this.#options.fleet.address(home, name) };
    }
    const [home, name] = this.#place(to.service);
    const namespace = this.#options.fleet.namespace(home);
    const qualified = `${name}.${namespace}`;
    switch (to.form ?? 'qualified') {
      case 'qualified':
        return { host: qualified };
      case 'short':
        return { host: name };
      case 'full':
        return { host: `${qualified}.svc.${this.capabilities.clusterDomain}` };
      case 'dot':
        return { host: `${qualified}.svc.${this.capabilities.clusterDomain}.` };
      case 'bare':
        return { host: qualified, authority: qualified };
      case 'address': {
        const { body } = await this.kube.get(`/api/v1/namespaces/${namespace}/services/${name}`);
        const host = (body as { spec?: { clusterIP?: string } }).spec?.clusterIP ?? '';
        return { host, authority: `${qualified}:${port}` };
      }
    }
  }

  #place(text: string): [Home, string] {
    const [first = '', second] = text.split('/');
    if (second !== undefined) return [first as Home, second];
    return [this.home, first];
  }

  /** The test pod that traffic to this place ends at, where it is a single one. */
  #receiver(to: Destination): [Home, string] | undefined {
    const [home, name] = this.#place('pod' in to ? to.pod : to.service);
    return this.#options.fleet.workload(home, name) === undefined ? undefined : [home, name];
  }

  #workloadOf(app: string): [Home, string] | undefined {
    for (const home of [this.home, 'split', 'policy'] as const)
      if (this.#options.fleet.workload(home, app) !== undefined) return [home, app];
    return undefined;
  }

  #forged(): [string, string][] {
    const namespace = this.#options.fleet.namespace('policy');
    return Object.entries(this.capabilities.forgedHeaders).map(([name, value]) => [
      name,
      value.replaceAll('{namespace}', namespace).replaceAll('{serviceAccount}', 'a'),
    ]);
  }
}

/**
 * How many requests are under way at once. Where each of several pods shall get some, more than other cases keep one of them
 * busy with: a mesh may well prefer who has less to do.
 */
function atOnce({ is, concurrency }: Traffic): number | undefined {
  return typeof is === 'object' && 'each' in is && is.each.length > 1 ? 16 : concurrency;
}

/**
 * How many requests share a connection where the case does not say. Ten where all shall have the same end. Two where they
 * fall on the backends by chance: samples of a mesh that splits by connection then scatter 1.4 times as widely, which
 * bands and the second sample still bear, so that such a mesh fails the cases about that and not every share.
 */
function requestsPerConnection({ is, protocol = 'http1' }: Traffic): number | undefined {
  if (typeof is !== 'object' || protocol !== 'http1') return undefined; // raw TCP is judged by connection
  return 'each' in is ? 10 : 'shares' in is ? 2 : undefined;
}

function isShares({ is }: Traffic): boolean {
  return typeof is === 'object' && 'shares' in is;
}
