import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PODS } from '../../../src/local/controllers/resources.ts';
import type { ExecSession } from '../../../src/local/pod-streams.ts';
import { LogFile, LogReader } from '../../../src/local/runtime/log-file.ts';
import { eventually } from '../controllers/cluster.ts';
import {
  conditionOf,
  eventuallyLogs,
  isAlive,
  logsOf,
  podOf,
  shellPod,
  startMachine,
  type Machine,
} from './machine.ts';

async function readyPod(machine: Machine, name = 'web', script = 'sleep 100', container: object = {}): Promise<void> {
  await machine.client.create(PODS, shellPod(name, script, container));
  await eventually(() => assert.equal(conditionOf(machine.client, name, 'Ready')?.status, 'True'));
}

async function textOf(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}

function run({ runtime }: Machine, command: string[], given: object = {}, signal = AbortSignal.timeout(10_000)) {
  const options = { namespace: 'default', pod: 'web', command, stdin: false, tty: false, ...given };
  return runtime.streams.exec(options, signal);
}

async function finish(session: ExecSession): Promise<[string, string, number]> {
  const [out, err, { code }] = await Promise.all([textOf(session.stdout), textOf(session.stderr), session.exit]);
  return [out, err, code];
}

test('logs: tail, since, limit and timestamps cut as kubectl expects', async (t) => {
  const machine = await startMachine(t);
  await readyPod(
    machine,
    'web',
    'for i in 1 2 3; do echo line $i; done; sleep 0.3; echo line 4; printf part; sleep 100',
  );
  await eventuallyLogs(machine.runtime, 'web', /line 4\n/);
  const { runtime } = machine;
  assert.equal(await logsOf(runtime, 'web', { tailLines: 2 }), 'line 3\nline 4\n');
  assert.equal(await logsOf(runtime, 'web', { tailLines: 0 }), '');
  assert.equal(await logsOf(runtime, 'web', { limitBytes: 9 }), 'line 1\nli');
  const stamped = await logsOf(runtime, 'web', { timestamps: true, tailLines: 1 });
  assert.match(stamped, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 4\n$/);
  assert.equal(await logsOf(runtime, 'web', { sinceMs: Date.parse(stamped.split(' ')[0] ?? '') }), 'line 4\n');
  await assert.rejects(
    logsOf(runtime, 'web', { previous: true }),
    /previous terminated container "main" in pod "web" not found/,
  );
  await assert.rejects(logsOf(runtime, 'web', { container: 'other' }), /container other is not valid for pod web/);
  await assert.rejects(logsOf(runtime, 'nobody'), { code: 404, reason: 'NotFound' });
});

test('logs: several containers need a name, a waiting one says why', async (t) => {
  const { client, runtime } = await startMachine(t);
  const containers = [
    { name: 'a', image: 'none', command: ['sh', '-c', 'echo from a; sleep 100'] },
    { name: 'b', image: 'none', command: ['no-such-program'] },
  ];
  await client.create(PODS, shellPod('web', '', {}, { containers }));
  await eventually(() => assert.equal(podOf(client, 'web').status?.containerStatuses?.length, 2));
  await assert.rejects(logsOf(runtime, 'web'), /choose one of: \[a b\]/);
  await assert.rejects(logsOf(runtime, 'web', { container: 'b' }), /"b" in pod "web" is waiting to start/);
  await eventuallyLogs(runtime, 'web', 'from a\n', { container: 'a' });
});

test('log file: keeps the newest lines within its bound, and a follower loses none', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-log-'));
  try {
    let now = 0;
    const log = new LogFile(join(folder, 'log'), () => now++, 1000);
    const writer = log.writer();
    const reader = new LogReader(log.path);
    let readers = [reader];
    const followed: string[] = [];
    for (let i = 0; i < 100; i++) {
      writer.write(Buffer.from(`line ${i}\n`));
      for (const line of readers[0]?.next() ?? []) followed.push(line.text);
      const newest = new LogReader(log.path);
      if (newest.inode === readers[0]?.inode) newest.close();
      else {
        readers[0]?.close();
        readers = [newest];
        for (const line of newest.next()) followed.push(line.text);
      }
    }
    assert.deepEqual(
      followed,
      Array.from({ length: 100 }, (_, i) => `line ${i}\n`),
    );
    const kept = log.files.flatMap((file) => {
      const one = new LogReader(file);
      const lines = one.next().map((line) => line.text);
      one.close();
      return lines;
    });
    assert.equal(kept.at(-1), 'line 99\n');
    assert.ok(kept.length > 20 && kept.length < 60, `${kept.length} lines kept`);
    readers[0]?.close();
    log.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('exec: runs with the environment, folder and exit code of the container', async (t) => {
  const machine = await startMachine(t);
  await readyPod(machine, 'web', 'sleep 100', { env: [{ name: 'WHO', value: 'me' }], workingDir: '/usr' });
  const script = 'echo $WHO; pwd; echo oops >&2; exit 7';
  assert.deepEqual(await finish(await run(machine, ['sh', '-c', script])), ['me\n/usr\n', 'oops\n', 7]);
  await assert.rejects(run(machine, ['no-such-program']), {
    code: 500,
    message: /executable "no-such-program" not found/,
  });
  await assert.rejects(run(machine, ['true'], { container: 'x' }), { code: 400 });
});

test('exec: stdin reaches the command, its end ends it', async (t) => {
  const machine = await startMachine(t);
  await readyPod(machine);
  const session = await run(machine, ['tr', 'a-z', 'A-Z'], { stdin: true });
  session.stdin.write('hello ');
  session.stdin.end('there');
  assert.deepEqual(await finish(session), ['HELLO THERE', '', 0]);
});

test('exec: a terminal is one, and passes the exit code on', async (t) => {
  const machine = await startMachine(t);
  await readyPod(machine);
  const session = await run(machine, ['sh', '-c', "test -t 1 && echo 'a tty'; exit 5"], { stdin: true, tty: true });
  assert.deepEqual(await finish(session), ['a tty\r\n', '', 5]);
});

test('exec: an aborted session and a deleted pod take the command with them', async (t) => {
  const machine = await startMachine(t);
  await readyPod(machine);
  const abort = new AbortController();
  for (const end of [
    () => abort.abort(),
    () => machine.client.delete(PODS, 'default', 'web', { gracePeriodSeconds: 0 }),
  ]) {
    const session = await run(
      machine,
      ['sh', '-c', 'echo $$; sleep 1000'],
      {},
      abort.signal.aborted ? undefined : abort.signal,
    );
    const pid = await new Promise<number>((resolve) =>
      session.stdout.once('data', (data: Buffer) => resolve(Number(data))),
    );
    assert.ok(isAlive(pid));
    await end();
    await session.exit;
    assert.equal(isAlive(pid), false);
  }
});
