import { duplicate, type FieldError, invalid, notSupported, required } from '../errors.ts';
import { isObject, type JsonObject, numberOf, objectOf, objectsOf, stringOf } from '../json.ts';
import { labelErrors, labelProblem, subdomainProblem } from '../registry/names.ts';

/**
 * What a pod's spec must fulfil. `image` is required by Kubernetes and not here: local mode runs commands of the machine
 * and ignores images.
 */
export function podSpecErrors(spec: unknown, path: string): FieldError[] {
  if (!isObject(spec)) return [required(`${path}.containers`)];
  const errors: FieldError[] = [];
  const volumes = objectsOf(spec['volumes']);
  const volumeNames = new Set(volumes.map((v) => stringOf(v['name'])));
  errors.push(...volumeErrors(volumes, `${path}.volumes`));
  const containers = objectsOf(spec['containers']);
  if (containers.length === 0) errors.push(required(`${path}.containers`));
  const names = new Set<string>();
  for (const list of ['initContainers', 'containers']) {
    for (const [i, container] of objectsOf(spec[list]).entries()) {
      errors.push(
        ...containerErrors(container, `${path}.${list}[${i}]`, names, volumeNames, list === 'initContainers'),
      );
    }
  }
  errors.push(...choice(spec, 'restartPolicy', ['Always', 'OnFailure', 'Never'], path));
  errors.push(...choice(spec, 'dnsPolicy', ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'], path));
  const account = stringOf(spec['serviceAccountName']);
  const problem = account === '' ? undefined : subdomainProblem(account);
  if (problem !== undefined) errors.push(invalid(`${path}.serviceAccountName`, account, problem));
  const grace = spec['terminationGracePeriodSeconds'];
  if (typeof grace === 'number' && grace < 0) {
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'));
  }
  return errors;
}

function choice(object: JsonObject, key: string, allowed: readonly string[], path: string): FieldError[] {
  const value = object[key];
  if (value === undefined || allowed.includes(String(value))) return [];
  return [notSupported(`${path}.${key}`, value, allowed)];
}

function volumeErrors(volumes: readonly JsonObject[], path: string): FieldError[] {
  const seen = new Set<string>();
  return volumes.flatMap((volume, i) => {
    const name = stringOf(volume['name']);
    if (name === '') return [required(`${path}[${i}].name`)];
    const problem = labelProblem(name);
    if (problem !== undefined) return [invalid(`${path}[${i}].name`, name, problem)];
    if (seen.has(name)) return [duplicate(`${path}[${i}].name`, name)];
    seen.add(name);
    return [];
  });
}

function containerErrors(
  container: JsonObject,
  path: string,
  names: Set<string>,
  volumes: ReadonlySet<string>,
  init: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  const name = stringOf(container['name']);
  const problem = labelProblem(name);
  if (name === '') errors.push(required(`${path}.name`));
  else if (problem !== undefined) errors.push(invalid(`${path}.name`, name, problem));
  else if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
  names.add(name);
  const image = container['image'];
  if (typeof image === 'string' && image.trim() !== image) {
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'));
  }
  if (container['imagePullPolicy'] !== undefined)
    errors.push(...choice(container, 'imagePullPolicy', ['Always', 'IfNotPresent', 'Never'], path));
  errors.push(...portErrors(objectsOf(container['ports']), `${path}.ports`));
  errors.push(...envErrors(objectsOf(container['env']), `${path}.env`));
  for (const [i, mount] of objectsOf(container['volumeMounts']).entries()) {
    const at = `${path}.volumeMounts[${i}]`;
    const volume = stringOf(mount['name']);
    if (volume === '') errors.push(required(`${at}.name`));
    else if (!volumes.has(volume))
      errors.push({
        reason: 'FieldValueNotFound',
        field: `${at}.name`,
        message: `Not found: ${JSON.stringify(volume)}`,
      });
    if (stringOf(mount['mountPath']) === '') errors.push(required(`${at}.mountPath`));
  }
  for (const probe of init && container['restartPolicy'] !== 'Always'
    ? []
    : ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    if (isObject(container[probe])) errors.push(...probeErrors(container[probe], `${path}.${probe}`));
  }
  return errors;
}

const MAX_PORT = 65535;

/** Says why this is no port number, or nothing. */
export function portNumberErrors(value: unknown, path: string): FieldError[] {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_PORT) return [];
  return [invalid(path, value, 'must be between 1 and 65535, inclusive')];
}

/** Says why this is no name of a port, or nothing (IANA service names). */
export function portNameErrors(name: string, path: string): FieldError[] {
  if (name.length > 15) return [invalid(path, name, 'must be no more than 15 characters')];
  const errors: FieldError[] = [];
  if (!/^[-a-z0-9]+$/.test(name))
    errors.push(invalid(path, name, 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)'));
  if (!/[a-z]/.test(name)) errors.push(invalid(path, name, 'must contain at least one letter (a-z)'));
  if (name.includes('--')) errors.push(invalid(path, name, 'must not contain consecutive hyphens'));
  if (/^-|-$/.test(name)) errors.push(invalid(path, name, 'must not begin or end with a hyphen'));
  return errors;
}

function portErrors(ports: readonly JsonObject[], path: string): FieldError[] {
  const names = new Set<string>();
  return ports.flatMap((port, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    const name = stringOf(port['name']);
    if (name !== '') {
      errors.push(...portNameErrors(name, `${at}.name`));
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    if (numberOf(port['containerPort']) === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...portNumberErrors(port['containerPort'], `${at}.containerPort`));
    if (port['hostPort'] !== undefined && port['hostPort'] !== 0)
      errors.push(...portNumberErrors(port['hostPort'], `${at}.hostPort`));
    errors.push(...choice(port, 'protocol', ['SCTP', 'TCP', 'UDP'], at));
    return errors;
  });
}

function envErrors(env: readonly JsonObject[], path: string): FieldError[] {
  return env.flatMap((variable, i) => {
    const name = stringOf(variable['name']);
    const at = `${path}[${i}]`;
    if (name === '') return [required(`${at}.name`)];
    const errors: FieldError[] = [];
    if (!/^[ -<>-~]+$/.test(name)) {
      errors.push(
        invalid(
          `${at}.name`,
          name,
          "a valid environment variable name must consist only of printable ASCII characters other than '='",
        ),
      );
    }
    const from = variable['valueFrom'];
    if (isObject(from) && stringOf(variable['value']) !== '') {
      errors.push(invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    }
    if (isObject(from) && Object.keys(from).length === 0) {
      errors.push(
        invalid(
          `${at}.valueFrom`,
          '',
          'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
        ),
      );
    }
    if (isObject(from) && isObject(from['fieldRef']))
      errors.push(...fieldPathErrors(stringOf(from['fieldRef']['fieldPath']), `${at}.valueFrom.fieldRef.fieldPath`));
    return errors;
  });
}

/** Fields of a pod that the downward API gives to a container's environment. */
const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

function fieldPathErrors(fieldPath: string, path: string): FieldError[] {
  if (fieldPath === '') return [required(path)];
  if (ENV_FIELDS.includes(fieldPath) || /^metadata\.(labels|annotations)\['[^']*'\]$/.test(fieldPath)) return [];
  return [invalid(path, fieldPath, `error converting fieldPath: field label not supported: ${fieldPath}`)];
}

function probeErrors(probe: JsonObject, path: string): FieldError[] {
  const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'].filter((h) => isObject(probe[h]));
  const errors: FieldError[] = [];
  if (handlers.length === 0) errors.push(required(path, 'must specify a handler type'));
  for (const handler of handlers.slice(1)) {
    errors.push({
      reason: 'FieldValueForbidden',
      field: `${path}.${handler}`,
      message: 'Forbidden: may not specify more than 1 handler type',
    });
  }
  for (const key of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    const value = probe[key];
    if (typeof value === 'number' && value < 0)
      errors.push(invalid(`${path}.${key}`, value, 'must be greater than or equal to 0'));
  }
  const threshold = probe['successThreshold'];
  if (!path.endsWith('.readinessProbe') && typeof threshold === 'number' && threshold > 1)
    errors.push(invalid(`${path}.successThreshold`, threshold, 'must be 1'));
  const port = objectOf(probe['httpGet'] ?? probe['tcpSocket'])['port'];
  if (typeof port === 'number')
    errors.push(...portNumberErrors(port, `${path}.${isObject(probe['httpGet']) ? 'httpGet' : 'tcpSocket'}.port`));
  return errors;
}

/** A workload's pod template, with its selector's match already checked elsewhere. */
export function templateErrors(template: unknown, path: string): FieldError[] {
  const { metadata, spec } = objectOf(template);
  return [
    ...labelErrors(objectOf(metadata)['labels'], `${path}.metadata.labels`),
    ...podSpecErrors(spec, `${path}.spec`),
  ];
}
