import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, kubectlMissing, run, startMesh, type LocalMesh } from './local-mesh.ts';
import { alive, descendants } from './processes.ts';

/** The folder in the temporary folder that this mesh made for itself; other meshes may run beside it. */
function folderOf({ child }: LocalMesh): string {
  const pids = [child.pid ?? 0, ...descendants(child.pid ?? 0).map(({ pid }) => pid)];
  const folders = readdirSync(tmpdir()).filter((name) => name.startsWith('weft-run-'));
  const own = folders.map((name) => join(tmpdir(), name)).find((folder) => pids.includes(ownerOf(folder)));
  return own ?? assert.fail(`none of ${folders.join()} is of ${pids.join()}`);
}

function ownerOf(folder: string): number {
  try {
    return Number(readFileSync(join(folder, 'owner'), 'utf8').split(' ')[0]);
  } catch {
    return 0; // of a mesh that ends just now
  }
}

describe('demo', () => {
  let mesh: LocalMesh;
  before(async () => {
    mesh = await startMesh([]);
  });
  after(() => mesh.stop());

  test('demo: says where the kubeconfig is, and that it works', { skip: kubectlMissing }, async () => {
    await mesh.printed(/^kubeconfig: (.+)$/m);
    const { stdout } = await mesh.kubectl(['get', 'deployments', '-A', '-o', 'name']);
    assert.ok(stdout.split('\n').filter(Boolean).length >= 7, stdout);
  });

  test('demo: without a terminal it prints who calls whom, the split and the refusal', async () => {
    await mesh.printed(/shop\/shopper +shop\/web +[\d.]+ rps +100\.0%/);
    await mesh.printed(/shop\/web +shop\/catalog .*catalog-v1 \d+%, catalog-v2 \d+%/);
    await mesh.printed(/shop\/web +payments\/checkout +[\d.]+ rps/);
    await mesh.printed(/payments\/checkout +payments\/ledger +[\d.]+ cps/);
    await mesh.printed(/shop\/crawler +shop\/catalog .*ACCESS_DENIED/);
  });

  test('demo: each of the three things to try works when it is pasted', { skip: kubectlMissing }, async () => {
    const printed = await mesh.printed(/try:\n([\s\S]*?)\n\n/);
    const commands = (printed[1] ?? '').split(/\n(?=#)/);
    assert.equal(commands.length, 3);
    for (const command of commands) {
      const result = await run('sh', ['-c', command]);
      assert.equal(result.code, 0, `${command}\n${result.stdout}${result.stderr}`);
      assert.equal(result.stderr, '');
    }
    await mesh.printed(/shop\/web +shop\/catalog .*catalog-v1 \d+%, catalog-v2 (4|5)\d%/);
    await mesh.printed(/shop\/web +payments\/checkout .*ACCESS_DENIED/);
  });

  test('demo: its own objects give the controller nothing to advise', { skip: kubectlMissing }, async () => {
    const { stdout } = await mesh.kubectl(['get', 'events', '-A', '-o', 'custom-columns=R:.reason,M:.message']);
    assert.match(stdout, /ScalingReplicaSet/);
    const advice = stdout.split('\n').filter((line) => line.startsWith('SMI') && !line.includes('no ready endpoints'));
    assert.deepEqual(advice, []);
  });

  test('demo: exec runs in the pod, behind its sidecar', { skip: kubectlMissing }, async () => {
    const allowed = await mesh.kubectl(['exec', '-n', 'shop', 'deploy/shopper', '--', 'curl', '-sS', 'http://web/']);
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.match(allowed.stdout, /catalog from catalog-v[12]/);
    const refused = await mesh.kubectl([
      'exec',
      '-n',
      'shop',
      'deploy/crawler',
      '--',
      'curl',
      '-sS',
      '-i',
      'http://web/',
    ]);
    assert.match(refused.stdout, /^HTTP\/1\.1 403 [\s\S]*x-weft-reason: ACCESS_DENIED/i);
  });

  test('demo: Ctrl-C leaves no process and no folder', async () => {
    const folder = folderOf(mesh);
    const children = descendants(mesh.child.pid ?? 0);
    assert.ok(children.length > 10, `only ${children.length} processes`);
    assert.equal(await mesh.stop(), 0);
    assert.doesNotMatch(mesh.output(), /"level":"(warn|error)"/);
    assert.deepEqual(alive(children), []);
    assert.equal(existsSync(folder), false);
  });
});

test('weft local: kill -9 of npm, which started it, ends the mesh as well', async (t) => {
  const mesh = await startMesh(['--no-demo', '--isolation', 'process'], { npm: true });
  const folder = folderOf(mesh);
  const children = descendants(mesh.child.pid ?? 0);
  t.after(() => alive(children).forEach(({ pid }) => process.kill(pid, 'SIGKILL')));
  assert.ok(children.length > 0);
  mesh.child.kill('SIGKILL');
  await mesh.stop();
  await eventually(async () => {
    assert.deepEqual(alive(children), []);
    assert.equal(existsSync(folder), false);
  });
});

test(
  'weft local: kill -9 leaves no process, and two meshes do not disturb each other',
  { skip: kubectlMissing },
  async () => {
    const [victim, survivor] = await Promise.all([startMesh(['--no-demo']), startMesh(['--no-demo'])]);
    const command = ['run', 'stays', '--image=ignored', '--restart=Never', '--command', '--', 'sleep', '1000'];
    assert.equal((await victim.kubectl(command)).code, 0);
    assert.equal((await victim.kubectl(['wait', '--for=condition=Ready', 'pod/stays', '--timeout=60s'])).code, 0);
    const children = descendants(victim.child.pid ?? 0);
    victim.child.kill('SIGKILL');
    await victim.stop();
    await eventually(async () => assert.deepEqual(alive(children), []));
    const { code } = await survivor.kubectl(['get', 'namespaces']);
    assert.equal(code, 0);
    assert.equal(await survivor.stop(), 0);
  },
);
