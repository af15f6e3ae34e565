import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

const LISTEN = '0A';

/**
 * The lowest TCP port on which a process of one of these groups listens on every address; undefined when there is none.
 * Reads /proc only, which no disk keeps waiting: asynchronous reads would cost ten times the work.
 */
export function listensEverywhere(groups: readonly number[]): number | undefined {
  const everywhere = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of listening(table)) {
      const [, local = '', , , , , , , , inode = ''] = line.trim().split(/\s+/);
      const [address = '', port = ''] = local.split(':');
      if (/^0+$/.test(address)) everywhere.set(inode, Number.parseInt(port, 16));
    }
  }
  if (everywhere.size === 0) return undefined;
  const ports: number[] = [];
  for (const pid of processesOf(groups)) {
    const folder = `/proc/${pid}/fd`;
    for (const fd of orNothing(() => readdirSync(folder)) ?? []) {
      const target = orNothing(() => readlinkSync(`${folder}/${fd}`)) ?? '';
      const port = everywhere.get(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '');
      if (port !== undefined) ports.push(port);
    }
  }
  return ports.length === 0 ? undefined : Math.min(...ports);
}

/** Lines of the sockets that listen. The kernel writes them first: ten thousand of past connections may follow. */
function* listening(table: string): Iterable<string> {
  const file = orNothing(() => openSync(table, 'r'));
  if (file === undefined) return; // no IPv6
  const chunk = Buffer.alloc(16 * 1024);
  let rest = '';
  let heading = true;
  try {
    for (let size = readSync(file, chunk); size > 0; size = readSync(file, chunk)) {
      const lines = (rest + chunk.toString('latin1', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of heading ? lines.slice(1) : lines) {
        if (line.trim().split(/\s+/, 4)[3] !== LISTEN) return;
        yield line;
      }
      heading = false;
    }
  } finally {
    closeSync(file);
  }
}

function* processesOf(groups: readonly number[]): Iterable<number> {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = orNothing(() => readFileSync(`/proc/${name}/stat`, 'latin1')) ?? '';
    const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
    if (groups.includes(group)) yield Number(name);
  }
}

/** Undefined when it throws: processes end while they are looked at. */
function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
