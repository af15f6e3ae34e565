import { contentHash, canonicalJson } from '../../base/content-hash.ts';
import type { Reconciler } from '../../base/reconcile.ts';
import type { ApiClient, ApiObject } from '../api-client.ts';
import type { Pod, Service } from './objects.ts';
import { controllerReference, isControlledBy } from './ownership.ts';
import { isFinished, isReady } from './pod-state.ts';
import { ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES } from './resources.ts';
import { hasLabels } from './selector.ts';
import { Alarm, eachObject, nameSuffix, removeObject, watchOf, type ControllerContext } from './work.ts';

const MANAGER = 'endpointslice-controller.k8s.io';
const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
const SERVICE_NAME = 'kubernetes.io/service-name';
/** As Kubernetes: larger Services have several slices. */
const MAX_ENDPOINTS_PER_SLICE = 100;

/** Keeps EndpointSlices and Endpoints equal to what Services select. Services without a selector are left alone. */
export function endpointsController(context: ControllerContext): Reconciler {
  const { client, clock } = context;
  const alarm = new Alarm(clock);
  const turn = eachObject('endpoints', context, alarm);
  const settled: Settled = new WeakMap();
  return {
    name: 'endpoints',
    watches: [SERVICES, PODS, ENDPOINT_SLICES, ENDPOINTS].map((r) => watchOf(client, r)).concat(alarm),
    reconcile: (signal) =>
      turn(
        client.list(SERVICES) as readonly Service[],
        (service) => reconcileService(service, context, settled),
        signal,
      ),
  };
}

/**
 * What a Service's last turn looked at. Stored objects are replaced and never changed, so the same ones need no second look:
 * a change of one pod gives every Service of the machine its turn.
 */
type Settled = WeakMap<Service, readonly unknown[]>;

async function reconcileService(service: Service, context: ControllerContext, settled: Settled): Promise<void> {
  const { selector, type } = service.spec;
  if (selector === undefined || Object.keys(selector).length === 0 || type === 'ExternalName') return;
  if (service.metadata.deletionTimestamp !== undefined) return;
  const pods = (context.client.list(PODS, service.metadata.namespace) as readonly Pod[]).filter(
    (pod) => hasLabels(pod.metadata.labels, selector) && (pod.status?.podIP ?? '') !== '' && !isFinished(pod),
  );
  const slices = slicesFor(service, context.client);
  const inputs = [...pods, ...slices, endpointsFor(service, context.client)];
  const before = settled.get(service);
  if (before?.length === inputs.length && before.every((input, i) => input === inputs[i])) return;
  const groups = groupByPorts(service, pods);
  await putSlices(service, groups, slices, context);
  await putEndpoints(service, groups, context.client);
  settled.set(service, inputs);
}

function slicesFor(service: Service, client: ApiClient): readonly ApiObject[] {
  return client
    .list(ENDPOINT_SLICES, service.metadata.namespace)
    .filter((s) => s.metadata.labels?.[SERVICE_NAME] === service.metadata.name && isControlledBy(s, service));
}

function endpointsFor({ metadata }: Service, client: ApiClient): ApiObject | undefined {
  return client.get(ENDPOINTS, metadata.namespace ?? '', metadata.name);
}

interface EndpointPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

/** Pods of one Service that serve it on the same numbers: a named targetPort may differ from pod to pod. */
interface PortGroup {
  readonly ports: readonly EndpointPort[];
  readonly pods: readonly Pod[];
}

function groupByPorts(service: Service, pods: readonly Pod[]): PortGroup[] {
  const groups = new Map<string, { ports: EndpointPort[]; pods: Pod[] }>();
  for (const pod of pods) {
    const ports = portsOf(service, pod);
    if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue; // names a port that the pod has not
    const key = canonicalJson(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  return [...groups.values()];
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const protocol = port.protocol ?? 'TCP';
    const target = port.targetPort ?? port.port;
    const number = typeof target === 'number' ? target : namedPort(pod, target, protocol);
    if (number === undefined) return [];
    const app = port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol };
    return [{ name: port.name ?? '', protocol, port: number || port.port, ...app }];
  });
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const port = container.ports?.find((p) => p.name === name && (p.protocol ?? 'TCP') === protocol);
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}

async function putSlices(
  service: Service,
  groups: readonly PortGroup[],
  present: readonly ApiObject[],
  { client, random }: ControllerContext,
) {
  const wanted = groups.flatMap((group) => slicesOf(service, group));
  if (wanted.length === 0) wanted.push(sliceOf(service, [], [])); // tells that there is nobody, rather than nothing
  const spare = [...present];
  for (const slice of wanted) {
    // the slice of the same ports is updated in place, so that watchers see endpoints change and not slices vanish
    const index = spare.findIndex((s) => portKey(s) === portKey(slice));
    const [old] = index === -1 ? spare.splice(0, canReuse(spare, wanted) ? 1 : 0) : spare.splice(index, 1);
    if (old === undefined) {
      slice.metadata.name = `${service.metadata.name.slice(0, 57)}-${nameSuffix(random)}`;
      await client.create(ENDPOINT_SLICES, slice);
    } else if (contentOf(old) !== contentOf(slice)) {
      const metadata = { ...old.metadata, labels: slice.metadata.labels ?? {} };
      await client.update(ENDPOINT_SLICES, { ...slice, metadata });
    }
  }
  for (const slice of spare) await removeObject(client, ENDPOINT_SLICES, slice);
}

/** A slice whose ports nobody has any more takes the new ones. */
function canReuse(spare: readonly ApiObject[], wanted: readonly ApiObject[]): boolean {
  const [first] = spare;
  return first !== undefined && !wanted.some((slice) => portKey(slice) === portKey(first));
}

function portKey(slice: ApiObject): string {
  return canonicalJson(normalised(slice.ports));
}

function contentOf(slice: ApiObject): string {
  return contentHash([slice.metadata.labels, normalised(slice.ports), normalised(slice.endpoints)]);
}

/** An absent list and an empty one are the same. */
function normalised(list: unknown): unknown {
  return Array.isArray(list) ? list : [];
}

function slicesOf(service: Service, { ports, pods }: PortGroup): ApiObject[] {
  const slices: ApiObject[] = [];
  for (let i = 0; i < pods.length; i += MAX_ENDPOINTS_PER_SLICE) {
    slices.push(sliceOf(service, ports, pods.slice(i, i + MAX_ENDPOINTS_PER_SLICE)));
  }
  return slices;
}

function sliceOf(service: Service, ports: readonly EndpointPort[], pods: readonly Pod[]): ApiObject {
  const headless = service.spec.clusterIP === 'None' ? { 'service.kubernetes.io/headless': '' } : {};
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: '',
      generateName: `${service.metadata.name}-`,
      namespace: service.metadata.namespace ?? '',
      labels: {
        ...service.metadata.labels,
        ...headless,
        [MANAGED_BY]: MANAGER,
        [SERVICE_NAME]: service.metadata.name,
      },
      ownerReferences: [controllerReference(service)],
    },
    addressType: 'IPv4',
    endpoints: pods.map((pod) => endpointOf(service, pod)),
    ports: ports.map((p) => ({ ...p })),
  };
}

function endpointOf(service: Service, pod: Pod): object {
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const serving = isReady(pod);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready, serving: service.spec.publishNotReadyAddresses === true || serving, terminating },
    ...(pod.spec.hostname !== undefined && pod.spec.subdomain === service.metadata.name
      ? { hostname: pod.spec.hostname }
      : {}),
    ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: targetOf(pod),
  };
}

function targetOf(pod: Pod): object {
  const { name, namespace = '', uid = '' } = pod.metadata;
  return { kind: 'Pod', namespace, name, uid };
}

/** The older form of the same, which older clients read. */
async function putEndpoints(service: Service, groups: readonly PortGroup[], client: ApiClient): Promise<void> {
  const { name, namespace = '' } = service.metadata;
  const publish = service.spec.publishNotReadyAddresses === true;
  const subsets = groups.flatMap(({ ports, pods }) => {
    const alive = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
    const address = (pod: Pod) => ({
      ip: pod.status?.podIP ?? '',
      ...(pod.spec.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
      targetRef: targetOf(pod),
    });
    const ready = alive.filter((pod) => publish || isReady(pod)).map(address);
    const notReady = alive.filter((pod) => !publish && !isReady(pod)).map(address);
    if (ready.length + notReady.length === 0) return [];
    return [
      {
        ...(ready.length === 0 ? {} : { addresses: ready }),
        ...(notReady.length === 0 ? {} : { notReadyAddresses: notReady }),
        ports: ports.map(({ name: portName, ...rest }) => (portName === '' ? rest : { name: portName, ...rest })),
      },
    ];
  });
  const old = endpointsFor(service, client);
  const labels = { ...service.metadata.labels, [MANAGED_BY]: 'endpoint-controller' };
  const content = { ...(subsets.length === 0 ? {} : { subsets }) };
  if (old === undefined) {
    await client.create(ENDPOINTS, {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, labels },
      ...content,
    });
  } else if (
    canonicalJson(normalised(old.subsets)) !== canonicalJson(subsets) ||
    canonicalJson(old.metadata.labels ?? {}) !== canonicalJson(labels)
  ) {
    const metadata = { ...old.metadata, labels };
    await client.update(ENDPOINTS, { apiVersion: 'v1', kind: 'Endpoints', metadata, ...content });
  }
}
