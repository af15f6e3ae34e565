import { isObject, type JsonObject, objectOf, objectsOf, setDefault, stringOf } from '../json.ts';

/** Fills in a pod template's defaults (`spec` of Pod, or of any workload's template). */
export function defaultPodSpec(spec: JsonObject): void {
  setDefault(spec, 'restartPolicy', 'Always');
  setDefault(spec, 'terminationGracePeriodSeconds', 30);
  setDefault(spec, 'dnsPolicy', 'ClusterFirst');
  setDefault(spec, 'securityContext', {});
  setDefault(spec, 'schedulerName', 'default-scheduler');
  const { serviceAccountName, serviceAccount } = spec;
  if (stringOf(serviceAccountName) === '' && stringOf(serviceAccount) !== '')
    spec['serviceAccountName'] = serviceAccount;
  if (stringOf(spec['serviceAccountName']) !== '') spec['serviceAccount'] = spec['serviceAccountName'];
  for (const container of [...objectsOf(spec['initContainers']), ...objectsOf(spec['containers'])])
    defaultContainer(container);
  for (const volume of objectsOf(spec['volumes'])) defaultVolume(volume);
}

function defaultContainer(container: JsonObject): void {
  const image = stringOf(container['image']);
  setDefault(container, 'resources', {});
  setDefault(container, 'terminationMessagePath', '/dev/termination-log');
  setDefault(container, 'terminationMessagePolicy', 'File');
  if (image !== '') setDefault(container, 'imagePullPolicy', pullPolicy(image));
  for (const port of objectsOf(container['ports'])) setDefault(port, 'protocol', 'TCP');
  for (const variable of objectsOf(container['env'])) {
    const field = objectOf(variable['valueFrom'])['fieldRef'];
    if (isObject(field)) setDefault(field, 'apiVersion', 'v1');
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name];
    if (isObject(probe)) defaultProbe(probe);
  }
  for (const hook of Object.values(objectOf(container['lifecycle']))) {
    const get = objectOf(hook)['httpGet'];
    if (isObject(get)) defaultHttpGet(get);
  }
}

/** `Always` for `:latest` and for images without a tag. */
function pullPolicy(image: string): string {
  if (image.includes('@')) return 'IfNotPresent';
  const tag = /:([^:/]+)$/.exec(image)?.[1] ?? 'latest';
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: JsonObject): void {
  setDefault(probe, 'timeoutSeconds', 1);
  setDefault(probe, 'periodSeconds', 10);
  setDefault(probe, 'successThreshold', 1);
  setDefault(probe, 'failureThreshold', 3);
  if (isObject(probe['httpGet'])) defaultHttpGet(probe['httpGet']);
  if (isObject(probe['grpc'])) setDefault(probe['grpc'], 'service', '');
}

function defaultHttpGet(get: JsonObject): void {
  setDefault(get, 'path', '/');
  setDefault(get, 'scheme', 'HTTP');
}

const MODE = 0o644;

function defaultVolume(volume: JsonObject): void {
  const { name: _, ...sources } = volume;
  if (Object.keys(sources).length === 0) volume['emptyDir'] = {};
  for (const kind of ['configMap', 'secret', 'downwardAPI', 'projected']) {
    const source = volume[kind];
    if (isObject(source)) setDefault(source, 'defaultMode', MODE);
  }
  if (isObject(volume['hostPath'])) setDefault(volume['hostPath'], 'type', '');
  for (const source of objectsOf(objectOf(volume['projected'])['sources'])) {
    if (isObject(source['serviceAccountToken'])) setDefault(source['serviceAccountToken'], 'expirationSeconds', 3600);
    for (const item of objectsOf(objectOf(source['downwardAPI'])['items'])) {
      if (isObject(item['fieldRef'])) setDefault(item['fieldRef'], 'apiVersion', 'v1');
    }
  }
}
