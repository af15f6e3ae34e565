import { setTimeout as sleep } from 'node:timers/promises';
import type { Capabilities, Marks } from './capabilities.ts';
import { Driver } from './driver.ts';
import { KubeError, type Kube, type KubeObject } from './kube.ts';

export type Home = 'policy' | 'other' | 'split' | 'unmeshed';

export interface Workload {
  readonly home: Home;
  /** Name of the pod and of its Service. */
  readonly name: string;
  readonly serviceAccount: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly bypass?: true;
  /** Its readiness probe never succeeds. */
  readonly unready?: true;
}

/** Ports on which every test pod listens. Its Service has them too, but for 8083, and some that lead elsewhere. */
const HTTP_PORTS = [8080, 8081, 8082, 8083];
const TCP_PORT = 9000;
const TCP_FIRST_PORT = 9001;
/** Service port -> container port. 8082 differs on purpose: the container listens on that number as well. */
const SERVICE_PORTS: Readonly<Record<number, number>> = { 80: 8080, 8080: 8080, 8081: 8081, 8082: 8081 };

/** The pods that a run shares. `targets` is how many destinations cases about access can use at once. */
export function workloads(targets: number): Workload[] {
  const policy = ['a', 'c', ...Array.from({ length: targets }, (_, i) => `b${i + 1}`)];
  return [
    ...policy.map((name): Workload => ({ home: 'policy', name, serviceAccount: name })),
    { home: 'policy', name: 'a2', serviceAccount: 'a', bypass: true },
    { home: 'other', name: 'a', serviceAccount: 'a' },
    { home: 'split', name: 'web', serviceAccount: 'web' },
    { home: 'split', name: 'v1', serviceAccount: 'v1', labels: { 'in-v1-v2': 'yes', 'in-all': 'yes' } },
    { home: 'split', name: 'v2', serviceAccount: 'v2', labels: { 'in-v1-v2': 'yes', 'in-all': 'yes' } },
    { home: 'split', name: 'v3', serviceAccount: 'v3', labels: { 'in-all': 'yes' } },
    { home: 'unmeshed', name: 'outsider', serviceAccount: 'outsider' },
  ];
}

export interface FleetOptions {
  readonly kube: Kube;
  readonly capabilities: Capabilities;
  readonly image: string;
  /** Distinguishes this run's namespaces from those of others. */
  readonly run: string;
  readonly targets: number;
  readonly readyWithinMs: number;
  readonly signal: AbortSignal;
}

/** The test pods of a run and the namespaces they live in. */
export class Fleet {
  readonly targets: readonly string[];
  readonly #options: FleetOptions;
  readonly #workloads: readonly Workload[];
  /** Pods of single cases, by home and name. */
  readonly #guests = new Map<string, Workload>();
  readonly #drivers = new Map<string, Driver>();
  readonly #addresses = new Map<string, string>();

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#workloads = workloads(options.targets);
    this.targets = Array.from({ length: options.targets }, (_, i) => `b${i + 1}`);
  }

  namespace(home: Home): string {
    return `conformance-${this.#options.run}-${home}`;
  }

  /** Whether a Service of this name belongs to a workload of that namespace. */
  workload(home: Home, name: string): Workload | undefined {
    return (
      this.#guests.get(`${home}/${name}`) ??
      this.#workloads.find((workload) => workload.home === home && workload.name === name)
    );
  }

  /** The pods that all cases share, in one namespace. */
  residents(home: Home): readonly Workload[] {
    return this.#workloads.filter((workload) => workload.home === home);
  }

  driver(home: Home, name: string): Driver {
    const key = `${home}/${name}`;
    if (this.workload(home, name) === undefined) throw new Error(`there is no test pod ${key}`);
    let driver = this.#drivers.get(key);
    if (driver === undefined) {
      driver = new Driver(this.#options.kube, this.namespace(home), name);
      this.#drivers.set(key, driver);
    }
    return driver;
  }

  /** The pod's own address. */
  address(home: Home, name: string): string {
    return this.#addresses.get(`${home}/${name}`) ?? '';
  }

  /** Creates a pod of one case, with its Service. Resolves at once: `settled` waits for it. */
  async addGuest(workload: Workload): Promise<void> {
    this.#guests.set(`${workload.home}/${workload.name}`, workload);
    await this.#createAccount(`${workload.home}/${workload.serviceAccount}`);
    await this.#create(workload);
  }

  /** Waits until a pod is ready; one that never will be, until it runs. */
  async settled({ home, name }: Workload): Promise<void> {
    await this.#ready([...this.#guests.values()].filter((guest) => guest.home === home && guest.name === name));
  }

  /** The pod as the API server has it now. */
  async pod(home: Home, name: string): Promise<PodView | undefined> {
    const reply = await this.#options.kube.get(`/api/v1/namespaces/${this.namespace(home)}/pods/${name}`);
    const pod = reply.code === 200 ? (reply.body as PodView) : undefined;
    if (pod?.status?.podIP !== undefined) this.#addresses.set(`${home}/${name}`, pod.status.podIP);
    return pod;
  }

  /** Deletes a pod of one case, and what came with it; resolves when the pod is gone. */
  async removeGuest(home: Home, name: string): Promise<void> {
    const key = `${home}/${name}`;
    const guest = this.#guests.get(key);
    if (guest === undefined) return;
    const { kube, readyWithinMs, signal } = this.#options;
    const namespace = this.namespace(home);
    await this.#drivers.get(key)?.close();
    this.#drivers.delete(key);
    await kube.remove({ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace } });
    await kube.remove({ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace } });
    const deadline = Date.now() + readyWithinMs;
    while ((await this.pod(home, name)) !== undefined && Date.now() < deadline) await sleep(100, undefined, { signal });
    if (!this.#workloads.some((other) => other.home === home && other.serviceAccount === guest.serviceAccount))
      await kube.remove({
        apiVersion: 'v1',
        kind: 'ServiceAccount',
        metadata: { name: guest.serviceAccount, namespace },
      });
    this.#guests.delete(key);
    this.#addresses.delete(key);
  }

  /** Creates everything and waits until every pod is ready. Throws an Error that says which is not, and why. */
  async start(): Promise<void> {
    const { kube, capabilities } = this.#options;
    const homes: [Home, Marks][] = [
      ['policy', capabilities.namespaces.deny],
      ['other', capabilities.namespaces.deny],
      ['split', capabilities.namespaces.permissive],
      ['unmeshed', capabilities.namespaces.unmeshed],
    ];
    for (const [home, marks] of homes)
      await kube.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.namespace(home), ...marks } });
    const accounts = new Set(this.#workloads.map(({ home, serviceAccount }) => `${home}/${serviceAccount}`));
    await Promise.all([...accounts].map((account) => this.#createAccount(account)));
    await Promise.all(this.#workloads.map((workload) => this.#create(workload)));
    await this.#ready(this.#workloads);
  }

  /** Ends the drivers and deletes the namespaces. Tries everything; the first error is thrown at the end. */
  async stop(): Promise<void> {
    await Promise.all([...this.#drivers.values()].map((driver) => driver.close()));
    const removed = await Promise.allSettled(
      (['policy', 'other', 'split', 'unmeshed'] as const).map((home) =>
        this.#options.kube.remove({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.namespace(home) } }),
      ),
    );
    for (const result of removed) if (result.status === 'rejected') throw result.reason as Error;
  }

  async #createAccount(account: string): Promise<void> {
    const [home, name = ''] = account.split('/') as [Home, string];
    await this.#options.kube.apply({
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name, namespace: this.namespace(home) },
    });
  }

  async #create(workload: Workload): Promise<void> {
    const { kube, capabilities, image } = this.#options;
    const namespace = this.namespace(workload.home);
    await kube.apply(service(namespace, workload.name, { app: workload.name }));
    const pod = podOf(workload, namespace, image, workload.bypass === true ? capabilities.bypass : {});
    // On a real cluster the controller that makes `default` credentials may lag behind the ServiceAccount.
    for (let attempt = 0; ; attempt++) {
      const created = await kube.create(pod);
      if (created.code < 300 || created.code === 409) return;
      if (created.code !== 403 || attempt === 20) throw new KubeError(`create Pod ${workload.name}`, created);
      await sleep(250, undefined, { signal: this.#options.signal });
    }
  }

  async #ready(workloads: readonly Workload[]): Promise<void> {
    const { kube, readyWithinMs, signal } = this.#options;
    const deadline = Date.now() + readyWithinMs;
    for (;;) {
      const waiting: string[] = [];
      for (const home of ['policy', 'other', 'split', 'unmeshed'] as const) {
        const ofHome = workloads.filter((candidate) => candidate.home === home);
        if (ofHome.length === 0) continue;
        const { body } = await kube.get(`/api/v1/namespaces/${this.namespace(home)}/pods`);
        const items = ((body as { items?: PodView[] }).items ?? []).map((pod) => [pod.metadata.name, pod] as const);
        const byName = new Map(items);
        for (const workload of ofHome) {
          const pod = byName.get(workload.name);
          if (pod?.status?.podIP !== undefined && (workload.unready === true ? runs(pod) : isReady(pod)))
            this.#addresses.set(`${home}/${workload.name}`, pod.status.podIP);
          else waiting.push(`${this.namespace(home)}/${workload.name}: ${stateOf(pod)}`);
        }
      }
      if (waiting.length === 0) return;
      if (Date.now() > deadline)
        throw new Error(`after ${readyWithinMs / 1000} s these test pods are not ready:\n  ${waiting.join('\n  ')}`);
      await sleep(250, undefined, { signal });
    }
  }
}

interface ContainerView {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount?: number;
  readonly state?: {
    readonly running?: object;
    readonly waiting?: { readonly reason?: string; readonly message?: string };
  };
}

export interface PodView {
  readonly metadata: { readonly name: string };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly initContainerStatuses?: readonly ContainerView[];
    readonly containerStatuses?: readonly ContainerView[];
  };
}

function runs(pod: PodView): boolean {
  return (
    pod.status?.containerStatuses?.some(({ name, state }) => name === 'app' && state?.running !== undefined) === true
  );
}

export function isReady(pod: PodView): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

function stateOf(pod: PodView | undefined): string {
  if (pod === undefined) return 'it does not exist';
  const containers = (pod.status?.containerStatuses ?? [])
    .filter(({ ready }) => !ready)
    .map(({ name, state }) =>
      `${name} ${state?.waiting?.reason ?? 'not ready'} ${state?.waiting?.message ?? ''}`.trim(),
    );
  return [pod.status?.phase ?? 'no status', ...containers].join(', ');
}

/** A Service in front of test pods. `ports` maps its ports to the pods' ports. */
export function service(
  namespace: string,
  name: string,
  selector: Readonly<Record<string, string>>,
  ports: Readonly<Record<number, number>> = SERVICE_PORTS,
): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      selector,
      ports: [
        ...Object.entries(ports).map(([port, targetPort]) => ({ name: `p${port}`, port: Number(port), targetPort })),
        { name: 'tcp', port: TCP_PORT, targetPort: TCP_PORT },
        { name: 'first', port: TCP_FIRST_PORT, targetPort: TCP_FIRST_PORT, appProtocol: 'tcp' },
      ],
    },
  };
}

/** Nobody listens there. */
const DEAD_PORT = 9;

function podOf(
  { name, serviceAccount, labels, unready }: Workload,
  namespace: string,
  image: string,
  marks: Marks,
): KubeObject {
  const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      labels: { app: name, version: name, ...labels, ...marks.labels },
      annotations: { ...marks.annotations },
    },
    spec: {
      serviceAccountName: serviceAccount,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'app',
          image,
          imagePullPolicy: 'IfNotPresent',
          command: ['weft', 'testapp', 'serve', '--listen-address', '$(POD_IP)', '--http', HTTP_PORTS.join(',')],
          args: ['--tcp', String(TCP_PORT), '--tcp-first', String(TCP_FIRST_PORT)],
          env: [
            { name: 'POD_IP', ...field('status.podIP') },
            { name: 'POD_NAME', ...field('metadata.name') },
            { name: 'POD_NAMESPACE', ...field('metadata.namespace') },
            { name: 'APP_NAME', value: name },
            { name: 'APP_VERSION', value: name },
          ],
          ports: [...HTTP_PORTS, TCP_PORT, TCP_FIRST_PORT].map((containerPort) => ({ containerPort })),
          // Asked each second until it serves, then seldom: a probe for every pod and second is traffic, too.
          startupProbe: { httpGet: { path: '/ready', port: HTTP_PORTS[0] }, periodSeconds: 1, failureThreshold: 60 },
          readinessProbe: {
            httpGet: { path: '/ready', port: unready === true ? DEAD_PORT : HTTP_PORTS[0] },
            periodSeconds: 5,
          },
        },
      ],
    },
  };
}
