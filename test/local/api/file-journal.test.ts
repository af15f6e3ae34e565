import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { FileJournal } from '../../../src/local/api/store/file-journal.ts';
import { Store } from '../../../src/local/api/store/store.ts';

const RESOURCE = '/configmaps';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-journal-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

function object(name: string, value = '') {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { value } };
}

async function opened(folder: string, minCompactBytes?: number) {
  const compact = minCompactBytes === undefined ? {} : { minCompactBytes };
  const { journal, records } = await FileJournal.open({ folder, log: silentLog, ...compact });
  const store = new Store({ journal });
  for (const record of records) store.restore(record);
  store.restored();
  journal.serve(store);
  return { journal, store };
}

function names(store: Store): string[] {
  return store
    .resource(RESOURCE)
    .all()
    .map((o) => o.metadata.name);
}

test('journal: objects, removals and the revision outlive a restart', async (t) => {
  const folder = await folderFor(t);
  const first = await opened(folder);
  const a = await first.store.put(RESOURCE, object('a'));
  await first.store.put(RESOURCE, object('b'));
  await first.store.remove(RESOURCE, a);
  const { revision } = first.store;
  await first.journal.close();
  const second = await opened(folder);
  assert.deepEqual(names(second.store), ['b']);
  assert.equal(second.store.revision, revision);
  assert.equal(second.store.resource(RESOURCE).since(revision - 1), undefined, 'history from before is not known');
  await second.journal.close();
});

test('journal: writes of one moment share one line each, in order, and read back equal', async (t) => {
  const folder = await folderFor(t);
  const { journal, store } = await opened(folder);
  await Promise.all(Array.from({ length: 200 }, (_, i) => store.put(RESOURCE, object(`n${i}`, 'x'.repeat(i)))));
  await journal.close();
  const again = await opened(folder);
  assert.equal(names(again.store).length, 200);
  assert.deepEqual(again.store.resource(RESOURCE).get('default', 'n7'), store.resource(RESOURCE).get('default', 'n7'));
  await again.journal.close();
});

test('journal: a torn last line is cut off, and the log goes on after it', async (t) => {
  const folder = await folderFor(t);
  const { journal, store } = await opened(folder);
  await store.put(RESOURCE, object('a'));
  await journal.close();
  await appendFile(join(folder, 'objects.log'), '0badc0de {"revision":9,"resou');
  const second = await opened(folder);
  assert.deepEqual(names(second.store), ['a']);
  await second.store.put(RESOURCE, object('b'));
  await second.journal.close();
  const third = await opened(folder);
  assert.deepEqual(names(third.store), ['a', 'b']);
  await third.journal.close();
});

test('journal: damage in the middle is an error that names file and place, not a silent loss', async (t) => {
  const folder = await folderFor(t);
  const { journal, store } = await opened(folder);
  await store.put(RESOURCE, object('a', 'first'));
  await store.put(RESOURCE, object('b'));
  await journal.close();
  const path = join(folder, 'objects.log');
  await writeFile(path, (await readFile(path, 'utf8')).replace('first', 'fi_st'));
  await assert.rejects(opened(folder), /objects\.log is damaged at byte 0/);
});

test('journal: compaction keeps what is stored and the revision, in a smaller file', async (t) => {
  const folder = await folderFor(t);
  const { journal, store } = await opened(folder, 20_000);
  for (let i = 0; i < 300; i++) await store.put(RESOURCE, object(`n${i % 5}`, `${i}`.padStart(200, '.')));
  const { revision } = store;
  await journal.close();
  assert.ok((await stat(join(folder, 'objects.log'))).size < 25_000);
  const again = await opened(folder);
  assert.equal(again.store.revision, revision);
  assert.equal(again.store.resource(RESOURCE).get('default', 'n4')?.['data'] !== undefined, true);
  assert.deepEqual(again.store.resource(RESOURCE).get('default', 'n4')?.['data'], { value: '299'.padStart(200, '.') });
  await again.journal.close();
});

/** Runs a process that writes objects without end and prints the name of each acknowledged one. */
function writer(folder: string, shell?: string) {
  const code = `
    import { FileJournal } from ${JSON.stringify(new URL('../../../src/local/api/store/file-journal.ts', import.meta.url).href)};
    import { Store } from ${JSON.stringify(new URL('../../../src/local/api/store/store.ts', import.meta.url).href)};
    import { silentLog } from ${JSON.stringify(new URL('../../../src/base/log.ts', import.meta.url).href)};
    import { writeSync } from 'node:fs';
    const { journal, records } = await FileJournal.open({ folder: ${JSON.stringify(folder)}, log: silentLog, minCompactBytes: 60000 });
    const store = new Store({ journal });
    for (const r of records) store.restore(r);
    store.restored();
    journal.serve(store);
    const round = store.revision;
    const write = async (w) => {
      for (let i = 0; ; i++) {
        const name = 'r' + round + '-' + w + '-' + (i % 40);
        try {
          await store.put('/configmaps', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { i: String(i), pad: 'x'.repeat(300) } });
        } catch (error) {
          writeSync(1, 'FAILED ' + error.code + ' ' + error.message + '\\n');
          process.exit(0);
        }
        writeSync(1, name + ' ' + i + '\\n');
      }
    };
    await Promise.all([0, 1, 2, 3].map(write));`;
  const args = ['--input-type=module-typescript', '-e', code];
  return shell === undefined
    ? spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    : spawn('/bin/sh', ['-c', `${shell}; exec "$@"`, 'sh', process.execPath, ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
}

test('journal: a process killed at any moment has lost nothing that it acknowledged', async (t) => {
  const folder = await folderFor(t);
  const acknowledged = new Map<string, number>();
  for (const lines of [40, 333, 901]) {
    const child = writer(folder);
    let seen = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [name = '', i = ''] = line.split(' ');
      acknowledged.set(name, Number(i));
      if (++seen === lines) child.kill('SIGKILL'); // what it printed before it died still arrives and counts
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  const { journal, store } = await opened(folder);
  for (const [name, i] of acknowledged) {
    const data = store.resource(RESOURCE).get('default', name)?.['data'] as { i: string } | undefined;
    assert.ok(data !== undefined && Number(data.i) >= i, `${name}: acknowledged ${i}, found ${data?.i}`);
  }
  assert.ok(acknowledged.size > 40);
  await journal.close();
});

test('journal: a full disk is a 507 that says so, and what was acknowledged stays readable', async (t) => {
  const folder = await folderFor(t);
  const child = writer(folder, 'ulimit -f 80'); // 512-byte blocks: the file may grow to 40 KiB
  const acknowledged: string[] = [];
  let failure = '';
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('FAILED')) failure = line;
    else acknowledged.push(line.split(' ')[0] ?? '');
  }
  assert.match(failure, /FAILED 507 nothing was stored: the disk of the data folder .* is full/);
  assert.ok(
    (await readFile(join(folder, 'objects.log'), 'utf8')).endsWith('\n'),
    'the half-written line was cut off at once',
  );
  const { journal, store } = await opened(folder);
  const stored = new Set(names(store));
  assert.deepEqual(
    acknowledged.filter((name) => !stored.has(name)),
    [],
  );
  assert.ok(acknowledged.length > 10);
  await store.put(RESOURCE, object('after'));
  await journal.close();
});
