import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { CONFIG_MAPS, NAMESPACES, PODS, SERVICES } from '../../../src/local/controllers/resources.ts';
import { detectNetns } from '../../../src/local/runtime/netns/detect.ts';
import { GATEWAY } from '../../../src/local/runtime/netns/plan.ts';
import { netnsIsolation } from '../../../src/local/runtime/netns/isolation.ts';
import type { SidecarContext } from '../../../src/local/runtime/options.ts';
import { eventually } from '../controllers/cluster.ts';
import {
  conditionOf,
  eventuallyLogs,
  podOf,
  shellPod,
  startMachine,
  type Machine,
  type MachineOptions,
} from './machine.ts';

const [support, byIptables] = [await detectNetns(), await detectNetns(['iptables'])];
const skip = support.available ? false : `network namespaces cannot be made here: ${support.reason}`;

/** Says on which of its ports a connection arrived; on 15001 it then goes where the first line says. */
const SIDECAR = `
const net = require('node:net'), http = require('node:http');
net.createServer((s) => s.end('inbound\\n')).listen(15006);
net.createServer((s) => s.end('tunnel\\n')).listen(15008, process.argv[1]); // at the pod's own address, as in a cluster
net.createServer((s) => {
  s.on('error', () => {});
  s.once('data', (data) => {
    const [host, port] = String(data).trim().split(' ');
    const out = net.connect(Number(port), host);
    out.on('error', (e) => s.end('outbound failed ' + e.code + '\\n'));
    out.on('connect', () => { s.write('outbound '); out.pipe(s); });
  });
}).listen(15001);
http.createServer((q, s) => s.end('admin for ' + q.socket.remoteAddress + '\\n')).listen(15020, '0.0.0.0');
`;

const CLIENT = `
const [host, port, say] = process.argv.slice(1);
const s = require('node:net').connect(Number(port), host);
s.on('error', (e) => { console.log(e.code); process.exit(1); });
s.pipe(process.stdout);
if (say) s.write(say + '\\n');
setTimeout(() => process.exit(3), 3000).unref();
`;

async function start(t: TestContext, given: MachineOptions = {}, by = support) {
  return startMachine(t, {
    sidecar: ({ publishedAddress }) => ({ command: [process.execPath, '-e', SIDECAR, publishedAddress] }),
    isolation: (run, client) => {
      assert.ok(by.available);
      return netnsIsolation({ ...by, client, run, log: silentLog, path: process.env.PATH ?? '', denyByDefault: false });
    },
    ...given,
  });
}

async function ready(
  { client }: Machine,
  name: string,
  script: string,
  meshed: boolean,
  container: object = {},
  spec: object = {},
) {
  const pod = shellPod(name, script, container, spec);
  const annotations = { 'weft.dev/injected': String(meshed) };
  await client.create(PODS, { ...pod, metadata: { ...pod.metadata, annotations } });
  await eventually(() => assert.equal(conditionOf(client, name, 'Ready')?.status, 'True'));
  return podOf(client, name).status?.podIP ?? '';
}

async function exec({ runtime }: Machine, pod: string, command: string[]): Promise<string> {
  const options = { namespace: 'default', pod, command, stdin: false, tty: false };
  const session = await runtime.streams.exec(options, AbortSignal.timeout(10_000));
  let text = '';
  session.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  session.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await session.exit;
  return text;
}

const call = (...args: (string | number)[]) => [process.execPath, '-e', CLIENT, ...args.map(String)];
const SERVE = `require('node:net').createServer((s) => s.end('app of ' + process.argv[1] + ' for ' + s.remoteAddress + '\\n')).listen(8080, '0.0.0.0')`;
const serve = (name: string) => ({
  command: [process.execPath, '-e', SERVE, name],
  readinessProbe: { tcpSocket: { port: 8080 } },
});

test(
  'netns: what the app sends is taken by its sidecar, what comes for the pod too; the sidecar passes',
  { skip },
  async (t) => {
    const machine = await start(t);
    const web = await ready(machine, 'web', '', true, serve('web'));
    const shop = await ready(machine, 'shop', '', true, serve('shop'));
    const plain = await ready(machine, 'plain', '', false, serve('plain'));
    // an address that nobody has: only redirection answers; then the sidecar dials without being redirected itself
    assert.equal(
      await exec(machine, 'web', call('10.96.7.7', 80, `${plain} 8080`)),
      `outbound app of plain for ${web}\n`,
    );
    // its own app, at the pod's own address
    assert.match(await exec(machine, 'web', call('10.96.7.7', 80, `${web} 8080`)), /^outbound app of web for /);
    // another sidecar's tunnel port is not redirected, every other port is
    assert.equal(await exec(machine, 'web', call('10.96.7.7', 80, `${shop} 15008`)), 'outbound tunnel\n');
    assert.equal(await exec(machine, 'web', call('10.96.7.7', 80, `${shop} 8080`)), 'outbound inbound\n');
    assert.equal(await exec(machine, 'plain', call(shop, 8080)), 'inbound\n');
    assert.equal(await exec(machine, 'plain', call(shop, 15001)), 'inbound\n');
    // within the pod nothing is redirected
    assert.match(await exec(machine, 'web', call('127.0.0.1', 8080)), /^app of web for 127.0.0.1/);
    assert.match(await exec(machine, 'web', call(web, 8080)), /^app of web for /);
    // without a sidecar an address that nobody has is refused at once
    assert.match(await exec(machine, 'plain', call('10.96.7.7', 80)), /^E(NETUNREACH|HOSTUNREACH)\n$/);
  },
);

test('netns: skipped ports pass by the sidecar, with iptables as with nft', { skip }, async (t) => {
  const machine = await start(t, {}, byIptables.available ? byIptables : support);
  const plain = await ready(machine, 'plain', '', false, serve('plain'));
  const pod = shellPod('web', '', serve('web'));
  const annotations = {
    'weft.dev/injected': 'true',
    'weft.dev/skip-inbound-ports': '8080',
    'weft.dev/skip-outbound-ports': '8080,9',
  };
  await machine.client.create(PODS, { ...pod, metadata: { ...pod.metadata, annotations } });
  await eventually(() => assert.equal(conditionOf(machine.client, 'web', 'Ready')?.status, 'True'));
  const web = podOf(machine.client, 'web').status?.podIP ?? '';
  assert.equal(await exec(machine, 'plain', call(web, 8080)), `app of web for ${plain}\n`);
  assert.equal(await exec(machine, 'web', call(plain, 8080)), `app of plain for ${web}\n`);
  assert.equal(await exec(machine, 'plain', call(web, 8081)), 'inbound\n');
  assert.equal(
    await exec(machine, 'web', call('10.96.7.7', 80, `${web} 8080`)),
    `outbound app of web for 169.254.7.1\n`,
  );
});

test('netns: pods and sidecars reach the ports of this machine that were opened for them', { skip }, async (t) => {
  const server = createServer((socket) => socket.end('host\n')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const contexts: SidecarContext[] = [];
  const machine = await start(t, {
    apiServer: { port, caCertificate: 'CA' },
    async sidecar(context) {
      contexts.push(context);
      assert.equal(await context.reachHost(port), port);
      return { command: [process.execPath, '-e', SIDECAR, context.publishedAddress] };
    },
  });
  await ready(machine, 'web', 'sleep 100', true);
  assert.equal(contexts[0]?.hostAddress, GATEWAY);
  assert.equal(contexts[0]?.appAddress, contexts[0]?.publishedAddress);
  const script = `exec "$0" -e "$1" $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT`;
  assert.equal(await exec(machine, 'web', ['sh', '-c', script, process.execPath, CLIENT]), 'host\n');
});

test('netns: the sidecar answers its own pod and port-forwards as on loopback, others not', { skip }, async (t) => {
  for (const by of byIptables.available ? [support, byIptables] : [support]) {
    const machine = await start(t, {}, by);
    const web = await ready(machine, 'web', '', true, serve('web'));
    const plain = await ready(machine, 'plain', 'sleep 100', false);
    const ask = (url: string) => ['-e', `fetch(process.argv[1]).then((r) => r.text()).then(console.log)`, url];
    const fromApp = await exec(machine, 'web', [
      'sh',
      '-c',
      '"$0" "$@" $WEFT_ADMIN',
      process.execPath,
      ...ask('').slice(0, 2),
    ]);
    assert.match(fromApp, /^admin for 127\.0\.0\.1\n/);
    assert.match(
      await exec(machine, 'plain', [process.execPath, ...ask(`http://${web}:15020/`)]),
      new RegExp(`^admin for ${plain}\n`),
    );
    const forward = async (port: number, say: string) => {
      const options = { namespace: 'default', pod: 'web', port };
      const stream = await machine.runtime.streams.portForward?.(options, AbortSignal.timeout(5000));
      stream?.write(say);
      let text = '';
      for await (const chunk of stream ?? []) text += String(chunk);
      return text;
    };
    assert.match(
      await forward(15020, 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'),
      /admin for 127\.0\.0\.1/,
    );
    assert.equal(await forward(8080, ''), 'app of web for 10.244.0.2\n'); // past the sidecar, as in a cluster
    await machine.stop();
  }
});

test('netns: names of Services are known, and follow them, without a new file', { skip }, async (t) => {
  const machine = await start(t);
  const { client } = machine;
  await ready(machine, 'web', 'sleep 100', true);
  const hosts = (name: string) => exec(machine, 'web', ['getent', 'hosts', name]);
  assert.equal(await hosts('api'), '');
  const spec = { clusterIP: '10.96.0.20', ports: [{ port: 80 }] };
  await client.create(SERVICES, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'api', namespace: 'default' },
    spec,
  });
  for (let i = 0; i < 100 && (await hosts('api')) === ''; i++);
  for (const name of [
    'api',
    'api.default',
    'api.default.svc',
    'api.default.svc.cluster.local',
    'api.default.svc.cluster.local.',
  ]) {
    assert.match(await hosts(name), /^10\.96\.0\.20 /, name);
  }
  await client.delete(SERVICES, 'default', 'api');
  for (let i = 0; i < 100 && (await hosts('api')) !== ''; i++);
  assert.equal(await hosts('api'), '');
  assert.match(await hosts('web'), new RegExp(`^${podOf(client, 'web').status?.podIP} `));
});

test('netns: pods without sidecar reach Services at their cluster IPs, shared among endpoints', { skip }, async (t) => {
  for (const by of byIptables.available ? [support, byIptables] : [support]) {
    const machine = await start(t, { controllers: true }, by);
    const labels = { app: 'api' };
    for (const name of ['one', 'two']) {
      const pod = shellPod(name, '', serve(name));
      await machine.client.create(PODS, { ...pod, metadata: { ...pod.metadata, labels } });
    }
    const spec = { clusterIP: '10.96.0.20', selector: labels, ports: [{ port: 80, targetPort: 8080 }] };
    const metadata = { name: 'api', namespace: 'default' };
    await machine.client.create(SERVICES, { apiVersion: 'v1', kind: 'Service', metadata, spec });
    const caller = await ready(machine, 'caller', 'sleep 100', false);
    const seen = new Set<string>();
    for (let i = 0; i < 60 && seen.size < 2; i++) {
      const said = await exec(machine, 'caller', call('api', 80));
      if (said.startsWith('app of')) seen.add(said);
    }
    assert.deepEqual([...seen].sort(), [`app of one for ${caller}\n`, `app of two for ${caller}\n`]);
    await machine.stop();
  }
});

test('netns: volumes are at their mount paths, tokens where client libraries look', { skip }, async (t) => {
  const machine = await start(t);
  const metadata = { name: 'settings', namespace: 'default' };
  await machine.client.create(CONFIG_MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata,
    data: { a: 'one', b: 'two' },
  });
  const volumeMounts = [
    { name: 'settings', mountPath: '/etc/weft-test/settings' },
    { name: 'settings', mountPath: '/etc/weft-test-file', subPath: 'b' },
  ];
  const volumes = [{ name: 'settings', configMap: { name: 'settings' } }];
  const script =
    'cat /etc/weft-test/settings/a; echo; cat /etc/weft-test-file; echo; ' +
    'cat /var/run/secrets/kubernetes.io/serviceaccount/token; echo; ' +
    '(echo x > /etc/weft-test/settings/a) 2>/dev/null && echo written; echo end; sleep 100';
  await ready(
    machine,
    'web',
    script,
    true,
    { volumeMounts: volumeMounts.map((m) => ({ ...m, readOnly: true })), workingDir: '/usr' },
    { volumes },
  );
  const log = await eventuallyLogs(machine.runtime, 'web', /end\n$/);
  assert.deepEqual(log.split('\n'), ['one', 'two', 'token of default for ', 'end', '']);
  assert.equal(await exec(machine, 'web', ['pwd']), '/usr\n');
});

/** Answers each datagram with the same, and says who sent it. */
const UDP_SERVE = `
for (const port of [5353, 9125]) {
  const s = require('node:dgram').createSocket('udp4');
  s.on('message', (m, from) => s.send(m + ' from ' + from.address, from.port, from.address));
  s.bind(port);
}`;

/** Sends a datagram every 50 ms for a while, from one port: prints the first answer, or that there was none. */
const UDP_CLIENT = `
const s = require('node:dgram').createSocket('udp4');
const [host, port, from] = process.argv.slice(1);
s.on('message', (m) => { console.log(String(m)); process.exit(); });
s.bind(Number(from ?? 0), () => setInterval(() => s.send('hello', Number(port), host), 50));
setTimeout(() => { console.log('silence'); process.exit(); }, 400);
`;

test(
  'netns: UDP gets to meshed pods only where policy does not deny it, and answers always pass',
  { skip },
  async (t) => {
    for (const by of byIptables.available ? [support, byIptables] : [support]) {
      const machine = await start(t, {}, by);
      const udp = { command: [process.execPath, '-e', UDP_SERVE] };
      const web = await ready(machine, 'web', '', true, udp);
      const plain = await ready(machine, 'plain', '', false, udp);
      const say = async (from: string, ...to: (string | number)[]) =>
        (await exec(machine, from, [process.execPath, '-e', UDP_CLIENT, ...to.map(String)])).trim();
      const policy = (mode: string, annotations: object = {}) => {
        const namespace = structuredClone(machine.client.get(NAMESPACES, '', 'default'));
        assert.ok(namespace);
        namespace.metadata.annotations = { 'weft.dev/policy': mode, ...annotations };
        return machine.client.update(NAMESPACES, namespace);
      };
      /** The rules follow the namespace, and a datagram may be lost. */
      const becomes = async (answer: string, ...call: Parameters<typeof say>) => {
        let last = '';
        for (let tries = 0; last !== answer && tries < 30; tries++) last = await say(...call);
        assert.equal(last, answer);
      };
      await becomes(`hello from ${plain}`, 'plain', web, 5353, 7000);
      await policy('deny');
      await becomes('silence', 'plain', web, 5353);
      assert.equal(await say('plain', web, 5353, 7000), 'silence', 'the flow from before');
      await becomes(`hello from ${web}`, 'web', plain, 5353); // what it asks is answered
      if (by === support) {
        await policy('deny', { 'weft.dev/skip-inbound-ports': '9125' });
        await becomes(`hello from ${plain}`, 'plain', web, 9125);
        assert.equal(await say('plain', web, 5353), 'silence');
        await policy('audit');
        await becomes(`hello from ${plain}`, 'plain', web, 5353);
        await policy('of', {});
        await becomes('silence', 'plain', web, 5353);
      }
      await machine.stop();
    }
  },
);

test('netns: nothing is left of a mesh that has ended', { skip }, async (t) => {
  const machine = await start(t);
  await ready(machine, 'web', 'echo $$$$; sleep 100', true);
  const pid = Number(await eventuallyLogs(machine.runtime, 'web', /\d+\n/));
  const own = readlinkSync('/proc/self/ns/net');
  assert.notEqual(readlinkSync(`/proc/${pid}/ns/net`), own);
  assert.notEqual(readlinkSync(`/proc/${pid}/ns/mnt`), readlinkSync('/proc/self/ns/mnt'));
  await machine.stop(); // asserts that no folder is left, which a mount in it would prevent
  const mark = `WEFT_RUN=${machine.folder.split('weft-run-')[1]}`;
  const left = readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(mark);
    } catch {
      return false;
    }
  });
  assert.deepEqual(left, []);
});

const isRoot = process.getuid?.() === 0;
const whyNotRootless = isRoot ? skip : 'this run is the rootless one already';
test('netns: all of this works without root, in a user namespace', { skip: whyNotRootless }, async () => {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  const env = { ...inherited, HOME: '/tmp' };
  const args = ['--test', '--test-reporter=tap', import.meta.filename];
  const child = spawn(process.execPath, args, {
    uid: 65534,
    gid: 65534,
    env,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const [code] = (await once(child, 'exit')) as [number];
  assert.equal(code, 0, text);
  assert.match(text, /# pass 9\n/, text);
});
