import { readdir, readFile, readlink } from 'node:fs/promises';

const LISTEN = '0A';

/** The lowest TCP port on which one of the processes listens on every address; undefined when there is none. */
export async function listensEverywhere(pids: readonly number[]): Promise<number | undefined> {
  const everywhere = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      const [address = '', port = ''] = local.split(':');
      if (state === LISTEN && /^0+$/.test(address)) everywhere.set(inode, Number.parseInt(port, 16));
    }
  }
  if (everywhere.size === 0) return undefined;
  const ports: number[] = [];
  for (const pid of pids) {
    const folder = `/proc/${pid}/fd`;
    for (const fd of await readdir(folder).catch(() => [])) {
      const target = await readlink(`${folder}/${fd}`).catch(() => '');
      const port = everywhere.get(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '');
      if (port !== undefined) ports.push(port);
    }
  }
  return ports.length === 0 ? undefined : Math.min(...ports);
}

/** The processes of some process groups. */
export async function processesOf(groups: readonly number[]): Promise<number[]> {
  const wanted = new Set(groups);
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const group = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
    if (wanted.has(group)) found.push(Number(name));
  }
  return found;
}
