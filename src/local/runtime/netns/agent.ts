// The process that lives in a mesh's network namespace: makes the namespaces of pods, and carries connections between
// that network and the machine's loopback. Started by `isolation.ts`, never imported. See plan.ts for the picture.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { GATEWAY, meshCommands, podCommands } from './plan.ts';
import { join, readLine, type AgentAnswer, type AgentRequest, type AgentSettings } from './wire.ts';

interface PodNamespaces {
  readonly app: ChildProcess;
  readonly sidecar: ChildProcess | undefined;
}

const pods = new Map<string, PodNamespaces>();
const relays = new Map<number, Promise<void>>();

const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
const first = await lines.next();
const settings = JSON.parse(String(first.value)) as AgentSettings;

await shell(meshCommands());
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  serve(socket).catch((error: unknown) => answer(socket, { ok: false, error: messageOf(error) }, true));
});
server.listen(settings.agentSocket, () => process.stdout.write('ready\n'));

// the runtime has ended, or wants this to end: every namespace goes with the process that holds it
while ((await lines.next()).done !== true);
for (const { app, sidecar } of pods.values()) for (const holder of [app, sidecar]) holder?.kill('SIGKILL');
process.exit(0);

async function serve(socket: Socket): Promise<void> {
  const request = JSON.parse(await readLine(socket)) as AgentRequest;
  switch (request.op) {
    case 'open':
      return answer(socket, await open(request), true);
    case 'mount':
      return answer(socket, { ok: true, warnings: await mount(request.id, request.script) }, true);
    case 'run':
      await shell(request.script);
      return answer(socket, { ok: true }, true);
    case 'close':
      close(request.id);
      return answer(socket, { ok: true }, true);
    case 'relay':
      await relay(request.port);
      return answer(socket, { ok: true }, true);
    case 'connect': {
      const other = await dial({ host: request.host, port: request.port, localAddress: request.from });
      answer(socket, { ok: true }, false);
      return join(socket, other);
    }
  }
}

function answer(socket: Socket, value: AgentAnswer, last: boolean): void {
  const line = `${JSON.stringify(value)}\n`;
  if (last) socket.end(line);
  else socket.write(line);
}

async function open(request: Extract<AgentRequest, { op: 'open' }>): Promise<AgentAnswer> {
  // each namespace lives as long as a `cat` whose input is this process: it ends with it, however that ends
  const app = hold(['--net', '--mount', '--propagation', 'private']);
  const sidecar = request.meshed ? hold(['--net']) : undefined;
  pods.set(request.id, { app: app.child, sidecar: sidecar?.child });
  try {
    await Promise.all([app.ready, sidecar?.ready]);
    const appPid = app.child.pid ?? 0;
    const sidecarPid = sidecar?.child.pid;
    const { address, link, skipInbound, skipOutbound } = request;
    const { redirect } = settings;
    await shell(podCommands({ address, link, appPid, sidecarPid, skipInbound, skipOutbound, redirect }));
    return { ok: true, appPid, ...(sidecarPid === undefined ? {} : { sidecarPid }) };
  } catch (error) {
    close(request.id);
    throw error;
  }
}

async function mount(id: string, script: string): Promise<string[]> {
  const pid = pods.get(id)?.app.pid;
  if (pid === undefined) throw new Error('the pod has no namespaces');
  const said = await run('nsenter', ['--target', String(pid), '--mount', '/bin/sh'], script);
  return said.split('\n').filter((line) => line !== '');
}

function close(id: string): void {
  const pod = pods.get(id);
  pods.delete(id);
  pod?.app.kill('SIGKILL');
  pod?.sidecar?.kill('SIGKILL');
}

/** A process in new namespaces that does nothing. */
function hold(namespaces: readonly string[]): { readonly child: ChildProcess; readonly ready: Promise<void> } {
  const child = spawn('unshare', [...namespaces, '/bin/sh', '-c', 'echo ready; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => {});
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('error', reject);
    child.once('exit', () => reject(new Error('the namespaces of the pod could not be made')));
  });
  ready.catch(() => {}); // both are awaited together: the second failure has no listener
  return { child, ready };
}

function relay(port: number): Promise<void> {
  const present = relays.get(port);
  if (present !== undefined) return present;
  const started = new Promise<void>((resolve, reject) => {
    const listener = createServer({ allowHalfOpen: true }, (inside) => {
      const outside = connect({ path: settings.hostSocket, allowHalfOpen: true });
      outside.write(`${port}\n`);
      join(inside, outside);
    });
    listener.once('error', reject);
    listener.listen(port, GATEWAY, () => resolve());
  });
  relays.set(port, started);
  started.catch(() => relays.delete(port));
  return started;
}

function dial(to: { readonly host: string; readonly port: number; readonly localAddress: string }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...to, allowHalfOpen: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', reject);
  });
}

async function shell(commands: string): Promise<void> {
  await run('/bin/sh', [], commands);
}

/** Runs a command with an input; gives back what it wrote to stderr. @throws with that text when it fails */
function run(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, (error, _stdout, stderr) => {
      if (error === null) resolve(stderr);
      else reject(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}`));
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
