import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { Exec, KubeConfig } from '@kubernetes/client-node';
import { WebSocket } from 'ws';
import { PodStreamError, type PodStreams } from '../../../src/local/pod-streams.ts';
import { serve, type Served } from './serve.ts';

const PODS = '/api/v1/namespaces/default/pods';

/** Runs commands of this machine, as the pod runtime does. */
const streams: PodStreams = {
  async *logs({ container, follow, tailLines }, signal) {
    if (container === 'none') throw new PodStreamError('BadRequest', 'container none is not valid for pod p');
    yield Buffer.from(`tail ${tailLines}\n`);
    while (follow && !signal.aborted) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      yield Buffer.from('more\n');
    }
  },
  exec({ command: [file = '', ...args], stdin }, signal) {
    const child = spawn(file, args, { signal });
    child.on('error', () => undefined);
    if (!stdin) child.stdin.end();
    const exit = once(child, 'close').then(([code]) => ({ code: (code as number | null) ?? 137 }));
    return Promise.resolve({ stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, exit, resize() {} });
  },
  portForward: ({ port }) => Promise.resolve(connect(port, '127.0.0.1')),
};

async function withPod(t: TestContext): Promise<Served> {
  const served = await serve(t, { podStreams: streams });
  const spec = { containers: [{ name: 'c', image: 'x' }] };
  await served.call('POST', PODS, { body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec } });
  return served;
}

test('logs: options reach the runtime, refusals the client; following ends when the client goes', async (t) => {
  const { call, url, ca, server } = await withPod(t);
  assert.equal((await call('GET', `${PODS}/p/log?tailLines=7`)).text, 'tail 7\n');
  const refused = await call('GET', `${PODS}/p/log?container=none`);
  assert.deepEqual([refused.code, String(refused.body['reason'])], [400, 'BadRequest']);
  assert.equal((await call('GET', `${PODS}/none/log`)).code, 404);
  const { get } = await import('node:https');
  const request = get(new URL(`${PODS}/p/log?follow=true`, url), {
    ca,
    agent: false,
    headers: { authorization: `Bearer ${server.adminToken}` },
  });
  const [response] = (await once(request, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const chunk of response) if ((text += chunk.toString()).length > 30) break;
  assert.match(text, /^tail undefined\nmore\nmore\n/);
});

test('exec: client-node gets output, errors, input and the exit code through', async (t) => {
  const { server } = await withPod(t);
  const config = new KubeConfig();
  config.loadFromString(server.kubeconfig());
  const run = async (command: string[], input: string | undefined) => {
    const [out, err] = [new PassThrough(), new PassThrough()];
    const stdin = input === undefined ? null : new PassThrough();
    const status = new Promise<{ status?: string; details?: { causes?: { message?: string }[] } }>(
      (resolve, reject) => {
        new Exec(config).exec('default', 'p', 'c', command, out, err, stdin, false, resolve).catch(reject);
      },
    );
    stdin?.end(input);
    return { status: await status, out: String(out.read() ?? ''), err: String(err.read() ?? '') };
  };
  const failed = await run(['sh', '-c', 'echo out; echo err >&2; exit 3'], undefined);
  assert.deepEqual([failed.out, failed.err, failed.status.details?.causes?.[0]?.message], ['out\n', 'err\n', '3']);
  const echoed = await run(['head', '-c', '5'], 'hello world');
  assert.deepEqual([echoed.out, echoed.status.status], ['hello', 'Success']);
});

test('exec: with protocol v5 the client can end the input alone', async (t) => {
  const { url, ca, server } = await withPod(t);
  const query = 'command=cat&stdin=true&stdout=true';
  const socket = new WebSocket(new URL(`${PODS}/p/exec?${query}`, url.replace('https', 'wss')), 'v5.channel.k8s.io', {
    ca,
    headers: { authorization: `Bearer ${server.adminToken}` },
  });
  const got: string[] = [];
  socket.on(
    'message',
    (data: Buffer) => void (data.length > 1 && got.push(`${data[0]} ${data.subarray(1).toString()}`)),
  );
  await once(socket, 'open');
  socket.send(Buffer.from('\u0000hello'));
  socket.send(Buffer.from([255, 0]));
  await once(socket, 'close');
  assert.deepEqual(got, ['1 hello', '3 {"metadata":{},"status":"Success"}']);
});

test('exec: without credentials, without WebSocket or for no pod it is refused with a Status', async (t) => {
  const { url, ca, call, server } = await withPod(t);
  const refused = async (path: string, token: string, protocol: string) => {
    const socket = new WebSocket(new URL(path, url.replace('https', 'wss')), protocol, {
      ca,
      headers: { authorization: `Bearer ${token}` },
    });
    const [error] = (await once(socket, 'error')) as [Error];
    return error.message;
  };
  const { adminToken } = server;
  assert.match(await refused(`${PODS}/p/exec?command=true`, 'wrong', 'v5.channel.k8s.io'), /401/);
  assert.match(await refused(`${PODS}/none/exec?command=true`, adminToken, 'v5.channel.k8s.io'), /404/);
  assert.match(await refused(`${PODS}/p/exec`, adminToken, 'v5.channel.k8s.io'), /400/);
  assert.match(await refused(`${PODS}/p/exec?command=true`, adminToken, 'v1.channel.k8s.io'), /400/);
  assert.equal((await call('POST', `${PODS}/p/exec?command=true`)).code, 400);
});

test('port-forward: bytes go to the port and back', async (t) => {
  const { url, ca, server } = await withPod(t);
  const echo = createServer((socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  t.after(() => echo.close());
  const { port } = echo.address() as AddressInfo;
  const socket = new WebSocket(
    new URL(`${PODS}/p/portforward?ports=${port}`, url.replace('https', 'wss')),
    'v4.channel.k8s.io',
    {
      ca,
      headers: { authorization: `Bearer ${server.adminToken}` },
    },
  );
  let echoed = '';
  const done = new Promise<void>((resolve) =>
    socket.on('message', (data: Buffer) => {
      if (data[0] === 0 && data.length !== 3) echoed += data.subarray(1).toString();
      if (echoed === 'hello') resolve();
    }),
  );
  await once(socket, 'open');
  socket.send(Buffer.from('\u0000hello'));
  await done;
  socket.close();
  await once(socket, 'close');
});

test('pod streams: a server without runtime says that it has none', async (t) => {
  const { call } = await serve(t);
  const spec = { containers: [{ name: 'c', image: 'x' }] };
  await call('POST', PODS, { body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p' }, spec } });
  assert.equal((await call('GET', `${PODS}/p/log`)).code, 501);
});

const noKubectl = spawnSync('kubectl', ['version', '--client']).status === 0 ? false : 'kubectl is not on the path';

test(
  'port-forward: kubectl carries several connections through its tunnel, large ones too',
  { skip: noKubectl },
  async (t) => {
    const { call, server } = await withPod(t);
    await call('PATCH', `${PODS}/p/status`, {
      body: { status: { phase: 'Running' } },
      type: 'application/merge-patch+json',
    });
    const folder = await mkdtemp(join(tmpdir(), 'weft-forward-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    await writeFile(join(folder, 'kubeconfig'), server.kubeconfig());
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    t.after(() => echo.close());
    const { port } = echo.address() as AddressInfo;
    const args = [
      '--kubeconfig',
      join(folder, 'kubeconfig'),
      'port-forward',
      '--address=127.0.0.1',
      'pod/p',
      `:${port}`,
    ];
    const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => child.kill());
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const local = Number(/127\.0\.0\.1:(\d+)/.exec(line.toString())?.[1]);
    const sent = randomBytes(2_000_000);
    const through = async () => {
      const socket = connect(local, '127.0.0.1');
      socket.end(sent);
      const chunks: Buffer[] = [];
      for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
      return Buffer.concat(chunks).equals(sent);
    };
    assert.deepEqual(await Promise.all([through(), through()]), [true, true]);
    assert.equal(await through(), true);
  },
);
