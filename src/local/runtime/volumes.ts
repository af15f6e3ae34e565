import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import type { ApiClient } from '../api-client.ts';
import type { Container, DownwardItem, KeyToPath, Pod, Volume, VolumeProjection } from '../controllers/objects.ts';
import { SERVICE_ACCOUNTS } from '../controllers/resources.ts';
import { ContainerConfigError } from './config-error.ts';
import { fieldValue, type PodAddresses } from './downward.ts';
import { entriesOf } from './environment.ts';
import type { Mount } from './isolation.ts';
import { SIDECAR_AUDIENCE, type RuntimeOptions } from './options.ts';

/** Where client libraries look for the pod's own token. */
export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
const SERVICE_ACCOUNT_VOLUME = 'kube-api-access';
const SIDECAR_VOLUME = 'weft-token';
/** As Kubernetes: a token that is good for an hour and a few seconds. */
const TOKEN_SECONDS = 3607;

export interface PodVolumes {
  /** Writes what the volumes contain now: at first, then again and again. @throws ContainerConfigError */
  fill(addresses: PodAddresses): Promise<void>;
  /** What has to be visible at the containers' mount paths. */
  readonly mounts: readonly Mount[];
  /** `WEFT_VOLUME_<NAME>` for each volume, for isolations in which mount paths are not those of the containers. */
  readonly environment: Readonly<Record<string, string>>;
  readonly sidecarTokenFile: string;
}

export interface PodVolumesOptions extends Pick<RuntimeOptions, 'client' | 'token' | 'apiServer' | 'clock'> {
  readonly pod: Pod;
  readonly folder: string;
  readonly meshed: boolean;
}

/** The volumes of a pod as folders under its own. */
export function podVolumes(options: PodVolumesOptions): PodVolumes {
  const { pod, folder, meshed, client } = options;
  const volumes = [...(pod.spec.volumes ?? []), ...ownVolumes(pod, client, meshed)];
  const pathOf = (volume: Volume) => volume.hostPath?.path ?? join(folder, 'volumes', volume.name);
  const tokens = new Map<string, { readonly text: string; readonly renewMs: number }>();
  return {
    async fill(addresses) {
      for (const volume of volumes) {
        if (volume.hostPath !== undefined) continue;
        const files = await contentOf(volume, addresses, options, tokens);
        await mkdir(pathOf(volume), { recursive: true, mode: 0o777 });
        if (volume.emptyDir !== undefined) await chmod(pathOf(volume), 0o777);
        for (const [path, content] of files) await put(join(pathOf(volume), inside(path)), content);
      }
    },
    mounts: mountsOf(pod, volumes, pathOf),
    environment: environmentOf(volumes, pathOf),
    sidecarTokenFile: join(folder, 'volumes', SIDECAR_VOLUME, 'token'),
  };
}

/** The service account's volume, when the API server has not put it into the pod, and the sidecar's token. */
function ownVolumes(pod: Pod, client: ApiClient, meshed: boolean): Volume[] {
  const own: Volume[] = [];
  const projected = (pod.spec.volumes ?? []).some((v) => v.name.startsWith(SERVICE_ACCOUNT_VOLUME));
  const account = client.get(SERVICE_ACCOUNTS, pod.metadata.namespace ?? '', pod.spec.serviceAccountName ?? 'default');
  const automount = pod.spec.automountServiceAccountToken ?? account?.automountServiceAccountToken ?? true;
  if (!projected && automount === true) {
    own.push({
      name: SERVICE_ACCOUNT_VOLUME,
      projected: {
        sources: [
          { serviceAccountToken: { path: 'token', expirationSeconds: TOKEN_SECONDS } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ],
      },
    });
  }
  if (meshed) {
    const source = { path: 'token', audience: SIDECAR_AUDIENCE, expirationSeconds: TOKEN_SECONDS };
    own.push({ name: SIDECAR_VOLUME, projected: { sources: [{ serviceAccountToken: source }] } });
  }
  return own;
}

function mountsOf(pod: Pod, volumes: readonly Volume[], pathOf: (volume: Volume) => string): Mount[] {
  const mounts = new Map<string, Mount>();
  const containers: readonly Container[] = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  for (const { volumeMounts = [] } of containers) {
    for (const { name, mountPath, subPath, readOnly = false } of volumeMounts) {
      const volume = volumes.find((v) => v.name === name);
      if (volume === undefined) continue; // the API server refuses such pods
      const source = subPath === undefined ? pathOf(volume) : join(pathOf(volume), inside(subPath));
      mounts.set(mountPath, { source, target: mountPath, readOnly });
    }
  }
  const own = volumes.find((v) => v.name === SERVICE_ACCOUNT_VOLUME);
  if (own !== undefined && !mounts.has(SERVICE_ACCOUNT_FOLDER)) {
    mounts.set(SERVICE_ACCOUNT_FOLDER, { source: pathOf(own), target: SERVICE_ACCOUNT_FOLDER, readOnly: true });
  }
  return [...mounts.values()];
}

function environmentOf(volumes: readonly Volume[], pathOf: (volume: Volume) => string): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const volume of volumes) {
    if (volume.name === SIDECAR_VOLUME) continue;
    environment[`WEFT_VOLUME_${volume.name.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')}`] = pathOf(volume);
    if (volume.name.startsWith(SERVICE_ACCOUNT_VOLUME)) environment['WEFT_SERVICE_ACCOUNT_DIR'] = pathOf(volume);
  }
  return environment;
}

type Files = (readonly [path: string, content: Buffer])[];
type Tokens = Map<string, { readonly text: string; readonly renewMs: number }>;

async function contentOf(
  volume: Volume,
  addresses: PodAddresses,
  options: PodVolumesOptions,
  tokens: Tokens,
): Promise<Files> {
  const { client, pod } = options;
  if (volume.emptyDir !== undefined) return [];
  if (volume.configMap !== undefined)
    return pick(entriesOf(client, pod, 'configmap', volume.configMap), volume.configMap);
  if (volume.secret !== undefined) {
    const { secretName, ...rest } = volume.secret;
    return pick(entriesOf(client, pod, 'secret', { name: secretName, ...rest }), rest);
  }
  if (volume.downwardAPI !== undefined) return downward(volume.downwardAPI.items, pod, addresses);
  if (volume.projected === undefined) {
    throw new ContainerConfigError(`volume "${volume.name}": this kind of volume is not supported in local mode`);
  }
  const all: Files = [];
  for (const source of volume.projected.sources ?? []) all.push(...(await project(source, addresses, options, tokens)));
  if (volume.name === SERVICE_ACCOUNT_VOLUME) all.push(['ca.crt', Buffer.from(options.apiServer.caCertificate)]);
  return all;
}

async function project(
  source: VolumeProjection,
  addresses: PodAddresses,
  options: PodVolumesOptions,
  tokens: Tokens,
): Promise<Files> {
  const { client, pod } = options;
  if (source.configMap !== undefined)
    return pick(entriesOf(client, pod, 'configmap', source.configMap), source.configMap);
  if (source.secret !== undefined) return pick(entriesOf(client, pod, 'secret', source.secret), source.secret);
  if (source.downwardAPI !== undefined) return downward(source.downwardAPI.items, pod, addresses);
  if (source.serviceAccountToken === undefined) return [];
  const { path, audience = '', expirationSeconds = TOKEN_SECONDS } = source.serviceAccountToken;
  return [[path, Buffer.from(await freshToken(audience, expirationSeconds, options, tokens))]];
}

/** The present token while less than four fifths of its life are over, as a kubelet does. */
async function freshToken(audience: string, expirationSeconds: number, options: PodVolumesOptions, tokens: Tokens) {
  const { pod, clock } = options;
  const key = `${audience} ${expirationSeconds}`;
  const present = tokens.get(key);
  if (present !== undefined && clock.now() < present.renewMs) return present.text;
  const { token, expirationTimestamp } = await options.token({
    namespace: pod.metadata.namespace ?? '',
    serviceAccount: pod.spec.serviceAccountName ?? 'default',
    audiences: audience === '' ? [] : [audience],
    expirationSeconds,
    pod: { name: pod.metadata.name, uid: pod.metadata.uid ?? '' },
  });
  const lifeMs = Date.parse(expirationTimestamp) - clock.now();
  tokens.set(key, { text: token, renewMs: clock.now() + lifeMs * 0.8 });
  return token;
}

function pick(entries: Readonly<Record<string, Buffer>>, source: { items?: KeyToPath[]; optional?: boolean }): Files {
  if (source.items === undefined) return Object.entries(entries);
  return source.items.flatMap(({ key, path }) => {
    const content = entries[key];
    if (content !== undefined) return [[path, content] as const];
    if (source.optional === true) return [];
    throw new ContainerConfigError(`references non-existent config key: ${key}`);
  });
}

function downward(items: readonly DownwardItem[] = [], pod: Pod, addresses: PodAddresses): Files {
  return items.flatMap(({ path, fieldRef }) =>
    fieldRef === undefined ? [] : [[path, Buffer.from(fieldValue(pod, fieldRef.fieldPath, addresses))] as const],
  );
}

/** A relative path that cannot leave its volume. */
function inside(path: string): string {
  const clean = normalize(path);
  if (clean.startsWith('/') || clean.split('/').includes('..')) {
    throw new ContainerConfigError(`path "${path}" leads out of its volume`);
  }
  return clean;
}

/** Replaces a file at once, and only when its content changed: readers never see half a token. */
async function put(file: string, content: Buffer): Promise<void> {
  const old = await readFile(file).catch(() => undefined);
  if (old?.equals(content) === true) return;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, content, { mode: 0o644 });
  await rename(`${file}.new`, file);
}
