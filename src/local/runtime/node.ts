import { arch, cpus, hostname, release, totalmem } from 'node:os';
import type { ApiObject } from '../api-client.ts';
import { timestamp } from '../controllers/conditions.ts';
import { NODES } from '../controllers/resources.ts';
import type { RuntimeOptions } from './options.ts';

/** The one node of local mode. */
export const NODE_NAME = 'local';
const HEARTBEAT_MS = 60_000;

/** Keeps the Node object as a kubelet does: there, ready, with a heartbeat. Never rejects. */
export async function keepNode(options: RuntimeOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, log } = options;
  while (!signal.aborted) {
    try {
      const stored = client.get(NODES, '', NODE_NAME) ?? (await client.create(NODES, nodeObject()));
      await client.updateStatus(NODES, { ...stored, status: nodeStatus(stored, clock.now()) });
    } catch (error) {
      log.warn('node status not written', { error: String(error) });
    }
    await clock.sleep(HEARTBEAT_MS, signal).catch(() => {});
  }
}

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64' };

function nodeObject(): ApiObject {
  const architecture = ARCHITECTURES[arch()] ?? arch();
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: NODE_NAME,
      labels: {
        'kubernetes.io/hostname': NODE_NAME,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': architecture,
      },
    },
    spec: {},
  };
}

function nodeStatus(node: ApiObject, nowMs: number): object {
  const previous = (node.status as { conditions?: { type: string; lastTransitionTime: string }[] } | undefined)
    ?.conditions;
  const now = timestamp(nowMs);
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    message: 'local mode runs pods as processes of this machine',
    lastHeartbeatTime: now,
    lastTransitionTime: previous?.find((c) => c.type === 'Ready')?.lastTransitionTime ?? now,
  };
  const capacity = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '1000' };
  const architecture = ARCHITECTURES[arch()] ?? arch();
  return {
    capacity,
    allocatable: capacity,
    conditions: [ready],
    addresses: [
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: NODE_NAME },
    ],
    nodeInfo: {
      machineID: '',
      systemUUID: '',
      bootID: '',
      kernelVersion: release(),
      osImage: hostname(),
      containerRuntimeVersion: 'weft://local',
      kubeletVersion: 'v1.35.0',
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture,
    },
  };
}
