import { mkdirSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../../base/log.ts';
import { POLICY, SKIP_INBOUND_PORTS, SKIP_OUTBOUND_PORTS } from '../../../spec/names.ts';
import type { ApiClient } from '../../api-client.ts';
import type { Pod } from '../../controllers/objects.ts';
import { ENDPOINT_SLICES, NAMESPACES, SERVICES } from '../../controllers/resources.ts';
import { startChild, type Child } from '../child.ts';
import { findExecutable } from '../executable.ts';
import type { Isolation, Sandbox, SandboxRequest } from '../isolation.ts';
import type { Run } from '../options.ts';
import { unshareArguments } from './detect.ts';
import { hostsText, resolvText, rewrite } from './hosts-file.ts';
import { mountScript } from './mounts.ts';
import { ADMIN_PORT, FORWARDER, GATEWAY, LINK, MAX_PODS, podAddress } from './plan.ts';
import { serviceCommands } from './service-rules.ts';
import { udpCommands, type UdpOpening } from './udp-rules.ts';
import { join as joinStreams, readLine, type AgentAnswer, type AgentRequest, type AgentSettings } from './wire.ts';

export interface NetnsIsolationOptions {
  readonly client: ApiClient;
  readonly log: Logger;
  readonly run: Run;
  /** As `detectNetns` found. */
  readonly rootless: boolean;
  readonly redirect: 'nft' | 'iptables';
  /** Policy of namespaces that state none is `deny`: no UDP gets to their meshed pods. */
  readonly denyByDefault: boolean;
  /** For finding unshare and nsenter. */
  readonly path: string;
}

const AGENT_WAIT_MS = 10_000;

/** Isolation by network and mount namespaces: every connection of a meshed pod passes its sidecar. See plan.ts. */
export async function netnsIsolation(options: NetnsIsolationOptions): Promise<Isolation> {
  const { run, rootless, path } = options;
  const folder = join(run.folder, 'net');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const settings: AgentSettings = {
    agentSocket: join(folder, 'agent'),
    hostSocket: join(folder, 'host'),
    redirect: options.redirect,
  };
  const host = await hostRelay(settings.hostSocket);
  const agent = await startAgent(options, settings);
  const network = new Network(options, settings.agentSocket, agent, {
    nsenter: findExecutable('nsenter', path, '/'),
    userArguments: rootless ? ['--user', '--preserve-credentials'] : [],
  });
  return {
    kind: 'netns',
    open: (request) => network.open(request),
    async close() {
      network.close();
      agent.stdin?.end();
      const late = setTimeout(() => agent.kill('SIGKILL'), 2000);
      await agent.exit;
      clearTimeout(late);
      await new Promise((resolve) => host.close(resolve));
    },
  };
}

async function startAgent(
  { run, rootless, path, log }: NetnsIsolationOptions,
  settings: AgentSettings,
): Promise<Child> {
  const script = new URL(import.meta.url.endsWith('.ts') ? './agent.ts' : './agent.js', import.meta.url).pathname;
  const unshare = findExecutable('unshare', path, '/');
  const argv = [
    unshare,
    ...unshareArguments(rootless),
    '--',
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    script,
  ];
  const agent = await startChild({ argv, env: { PATH: path }, cwd: '/', stdin: true }, run.reaper, run.folder);
  let said = '';
  agent.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-2000);
    log.warn('network agent', { said: chunk.toString().trim() });
  });
  agent.stdin?.write(`${JSON.stringify(settings)}\n`);
  const ready = new Promise<boolean>((resolve) => {
    agent.stdout.once('data', () => resolve(true));
    void agent.exit.then(() => resolve(false));
    setTimeout(() => resolve(false), AGENT_WAIT_MS).unref();
  });
  if (await ready) return agent;
  agent.kill('SIGKILL');
  throw new Error(`the network namespace of the mesh could not be made: ${said.trim() || 'its agent does not answer'}`);
}

/** Leads from the agent to the machine's loopback. */
async function hostRelay(path: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (inside: Socket) => {
    inside.on('error', () => inside.destroy());
    readLine(inside)
      .then((line) => {
        const outside = connect({ host: '127.0.0.1', port: Number(line), allowHalfOpen: true });
        joinStreams(inside, outside);
      })
      .catch(() => inside.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.unref();
  return server;
}

interface Entry {
  readonly pod: Pod;
  readonly meshed: boolean;
  readonly address: string;
  readonly hostsFile: string;
}

interface Enter {
  readonly nsenter: string;
  readonly userArguments: readonly string[];
}

/** Changes within this time after the first share one run; while they go on, there is a run this often: each starts `nft`. */
const SETTLE_MS = 5;
const PACE_MS = 50;

class Network {
  readonly #options: NetnsIsolationOptions;
  readonly #socket: string;
  readonly #enter: Enter;
  readonly #pods = new Map<number, Entry>();
  readonly #stops: (() => void)[];
  #last = 0;
  /** As they were last written. */
  #udpRules = '';
  #serviceRules = '';
  #dirty = false;
  #following = false;
  #closed = false;

  constructor(options: NetnsIsolationOptions, socket: string, agent: Child, enter: Enter) {
    this.#options = options;
    this.#socket = socket;
    this.#enter = enter;
    const changed = () => void this.#follow();
    void this.#follow();
    this.#stops = [NAMESPACES, SERVICES, ENDPOINT_SLICES].map((resource) => options.client.watch(resource, changed));
    void agent.exit.then(({ code }) => {
      if (this.#pods.size > 0) options.log.error('the network agent ended: new pods get no network', { code });
    });
  }

  async open({ pod, meshed, folder }: SandboxRequest): Promise<Sandbox> {
    const { client, log, rootless } = this.#options;
    const number = this.#allocate();
    const address = podAddress(number);
    const hostsFile = join(folder, 'hosts');
    this.#pods.set(number, { pod, meshed, address, hostsFile });
    rewrite(hostsFile, hostsText(client, pod, address));
    rewrite(join(folder, 'resolv.conf'), resolvText(pod));
    const id = String(number);
    const answer = await this.#ask({
      op: 'open',
      id,
      address,
      link: `pod${number}`,
      meshed,
      skipInbound: portsOf(pod, client, SKIP_INBOUND_PORTS),
      skipOutbound: portsOf(pod, client, SKIP_OUTBOUND_PORTS),
    }).catch((error: unknown) => {
      this.#pods.delete(number);
      throw error;
    });
    void this.#follow();
    const { appPid = 0, sidecarPid = appPid } = answer;
    return {
      publishedAddress: address,
      appAddress: address,
      hostAddress: GATEWAY,
      environment: meshed ? { WEFT_ADMIN: `http://${LINK}:${ADMIN_PORT}` } : {},
      sidecarUid: undefined,
      mount: async (mounts) => {
        const done = await this.#ask({ op: 'mount', id, script: mountScript(mounts, folder, rootless) });
        for (const warning of done.warnings ?? []) log.warn('pod mount', { pod: pod.metadata.name, warning });
      },
      reachHost: async (port) => {
        await this.#ask({ op: 'relay', port });
        return port;
      },
      enter: (argv, who, cwd) => Promise.resolve(this.#entered(who === 'app' ? appPid : sidecarPid, argv, who, cwd)),
      connect: (port, host, signal) => this.#connect(host ?? address, port, GATEWAY, signal),
      forward: (port, signal) => this.#connect(address, port, FORWARDER, signal),
      close: async () => {
        this.#pods.delete(number);
        void this.#follow();
        await this.#ask({ op: 'close', id });
      },
    };
  }

  close(): void {
    this.#closed = true;
    this.#pods.clear();
    for (const stop of this.#stops) stop();
  }

  #allocate(): number {
    for (let i = 0; i < MAX_PODS; i++) {
      this.#last = (this.#last + 1) % MAX_PODS;
      if (!this.#pods.has(this.#last)) return this.#last;
    }
    throw new Error('all pod addresses are taken');
  }

  #entered(pid: number, argv: readonly string[], who: 'app' | 'sidecar', cwd: string): readonly string[] {
    const { nsenter, userArguments } = this.#enter;
    const mount = who === 'app' ? ['--mount'] : []; // the sidecar sees the machine's files
    // entering a mount namespace forgets the working directory
    const back = ['/bin/sh', '-c', 'cd "$0" && exec "$@"', cwd, ...argv];
    return [
      nsenter,
      '--target',
      String(pid),
      ...userArguments,
      '--net',
      ...mount,
      '--',
      ...(who === 'app' ? back : argv),
    ];
  }

  /** Names and cluster IPs follow Services, who may be reached by UDP follows policy. Many changes share one run. */
  async #follow(): Promise<void> {
    this.#dirty = true;
    if (this.#following) return;
    this.#following = true;
    const { client, log, redirect } = this.#options;
    for (let pauseMs = SETTLE_MS; this.#dirty && !this.#closed; pauseMs = PACE_MS) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      this.#dirty = false;
      try {
        for (const { pod, address, hostsFile } of this.#pods.values()) {
          rewrite(hostsFile, hostsText(client, pod, address));
        }
        await this.#updateUdp();
        const script = serviceCommands(client, redirect);
        if (script === this.#serviceRules) continue;
        await this.#ask({ op: 'run', script });
        this.#serviceRules = script;
      } catch (error) {
        if (!this.#closed) log.warn('names, cluster IPs and UDP rules of pods not updated', { error: String(error) });
      }
    }
    this.#following = false;
  }

  async #updateUdp(): Promise<void> {
    const script = udpCommands(this.#udpOpenings(), this.#options.redirect);
    if (script === this.#udpRules) return;
    await this.#ask({ op: 'run', script });
    this.#udpRules = script;
  }

  #udpOpenings(): UdpOpening[] {
    const { client, denyByDefault } = this.#options;
    return [...this.#pods.values()].map(({ pod, meshed, address }) => {
      const namespace = client.get(NAMESPACES, '', pod.metadata.namespace ?? '');
      const open = !meshed || !denies(namespace?.metadata.annotations?.[POLICY], denyByDefault);
      return { address, ports: open ? 'all' : portsOf(pod, client, SKIP_INBOUND_PORTS) };
    });
  }

  async #ask(request: AgentRequest): Promise<Extract<AgentAnswer, { ok: true }>> {
    const socket = await this.#dial();
    try {
      socket.write(`${JSON.stringify(request)}\n`);
      return good(await readLine(socket));
    } finally {
      socket.destroy();
    }
  }

  async #connect(host: string, port: number, from: string, signal: AbortSignal): Promise<Duplex> {
    const socket = await this.#dial();
    const abort = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    try {
      socket.write(`${JSON.stringify({ op: 'connect', host, port, from } satisfies AgentRequest)}\n`);
      good(await readLine(socket));
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #dial(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: this.#socket });
      socket.once('connect', () => {
        socket.off('error', reject);
        socket.on('error', () => {}); // heard as `close`
        resolve(socket);
      });
      socket.once('error', reject);
    });
  }
}

function good(line: string): Extract<AgentAnswer, { ok: true }> {
  const answer = JSON.parse(line) as AgentAnswer;
  if (answer.ok) return answer;
  throw new Error(answer.error);
}

/** As the compiler reads it: a mode that is not known counts as `deny` (`smi.md` A1). */
function denies(mode: string | undefined, byDefault: boolean): boolean {
  return mode === undefined ? byDefault : mode !== 'permissive' && mode !== 'audit';
}

/** Ports of an annotation of the pod or else its namespace. What is no port is left out. */
function portsOf(pod: Pod, client: ApiClient, annotation: string): number[] {
  const namespace = client.get(NAMESPACES, '', pod.metadata.namespace ?? '');
  const text = pod.metadata.annotations?.[annotation] ?? namespace?.metadata.annotations?.[annotation] ?? '';
  return text
    .split(',')
    .map(Number)
    .filter((port) => Number.isInteger(port) && port > 0 && port < 65536);
}
