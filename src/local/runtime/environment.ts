import type { ApiClient, ApiObject } from '../api-client.ts';
import type { Container, EnvFromSource, EnvVar, KeyRef, Pod } from '../controllers/objects.ts';
import { CONFIG_MAPS, SECRETS } from '../controllers/resources.ts';
import { ContainerConfigError } from './config-error.ts';
import { fieldValue, resourceValue, type PodAddresses } from './downward.ts';

export interface EnvironmentOptions {
  readonly client: ApiClient;
  readonly pod: Pod;
  readonly container: Container;
  readonly addresses: PodAddresses;
  /** What every container gets; the container's own variables win. */
  readonly base: Readonly<Record<string, string>>;
}

/**
 * The environment of a container: base, then `envFrom` in order, then `env` in order, where `$(NAME)` in a value is
 * replaced by what was defined before it.
 * @throws ContainerConfigError when something it refers to is missing
 */
export function environmentOf(options: EnvironmentOptions): Record<string, string> {
  const env: Record<string, string> = { ...options.base };
  for (const source of options.container.envFrom ?? []) Object.assign(env, fromSource(source, options));
  for (const variable of options.container.env ?? []) {
    const value = valueOf(variable, env, options);
    if (value !== undefined) env[variable.name] = value;
  }
  return env;
}

function fromSource(source: EnvFromSource, { client, pod }: EnvironmentOptions): Record<string, string> {
  const found =
    source.configMapRef !== undefined
      ? entriesOf(client, pod, 'configmap', source.configMapRef)
      : source.secretRef !== undefined
        ? entriesOf(client, pod, 'secret', source.secretRef)
        : {};
  const prefixed = Object.entries(found).map(([key, value]) => [
    `${source.prefix ?? ''}${key}`,
    value.toString('utf8'),
  ]);
  return Object.fromEntries(prefixed.filter(([key]) => key !== '')) as Record<string, string>;
}

function valueOf(variable: EnvVar, env: Record<string, string>, options: EnvironmentOptions): string | undefined {
  const { valueFrom } = variable;
  if (valueFrom === undefined) return expand(variable.value ?? '', env);
  const { pod, container, addresses } = options;
  if (valueFrom.fieldRef !== undefined) return fieldValue(pod, valueFrom.fieldRef.fieldPath, addresses);
  if (valueFrom.resourceFieldRef !== undefined) return resourceValue(pod, container, valueFrom.resourceFieldRef);
  if (valueFrom.configMapKeyRef !== undefined) return fromKey('configmap', valueFrom.configMapKeyRef, options);
  if (valueFrom.secretKeyRef !== undefined) return fromKey('secret', valueFrom.secretKeyRef, options);
  throw new ContainerConfigError(`env ${variable.name}: this kind of valueFrom is not supported in local mode`);
}

function fromKey(kind: 'configmap' | 'secret', ref: KeyRef, { client, pod }: EnvironmentOptions): string | undefined {
  const value = entriesOf(client, pod, kind, ref)[ref.key];
  if (value === undefined && ref.optional !== true) {
    const title = kind === 'configmap' ? 'ConfigMap' : 'Secret';
    throw new ContainerConfigError(`couldn't find key ${ref.key} in ${title} ${pod.metadata.namespace}/${ref.name}`);
  }
  return value?.toString('utf8');
}

/** Keys and values of a ConfigMap or Secret; nothing of a missing one that is optional. */
export function entriesOf(
  client: ApiClient,
  pod: Pod,
  kind: 'configmap' | 'secret',
  ref: { readonly name: string; readonly optional?: boolean },
): Record<string, Buffer> {
  const resource = kind === 'configmap' ? CONFIG_MAPS : SECRETS;
  const object = client.get(resource, pod.metadata.namespace ?? '', ref.name);
  if (object === undefined) {
    if (ref.optional === true) return {};
    throw new ContainerConfigError(`${kind} "${ref.name}" not found`);
  }
  return kind === 'configmap' ? configMapEntries(object) : secretEntries(object);
}

function configMapEntries(object: ApiObject): Record<string, Buffer> {
  const { data = {}, binaryData = {} } = object as {
    data?: Record<string, string>;
    binaryData?: Record<string, string>;
  };
  const text = Object.entries(data).map(([key, value]) => [key, Buffer.from(value)] as const);
  const binary = Object.entries(binaryData).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const);
  return Object.fromEntries([...text, ...binary]);
}

function secretEntries(object: ApiObject): Record<string, Buffer> {
  const { data = {} } = object as { data?: Record<string, string> };
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
}

/** `$(NAME)` becomes the variable's value, `$$(NAME)` the text `$(NAME)`; unknown names stay as they are. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (found: string, name: string | undefined) => {
    if (found === '$$') return '$';
    return env[name ?? ''] ?? found;
  });
}
