import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Mount } from '../isolation.ts';

/**
 * Shell commands for the mount namespace of a pod's app: /etc/hosts and /etc/resolv.conf of its own, and its volumes at
 * the containers' mount paths. Where a mount path does not exist on the machine, the nearest folder that does is covered
 * by one in which it exists. What cannot be mounted is told on stderr; the environment names the folders anyway.
 */
export function mountScript(mounts: readonly Mount[], folder: string, rootless: boolean): string {
  const lines: string[] = [];
  const overlays = new Map<string, string>();
  for (const { source, target } of mounts) {
    if (existsSync(target)) continue;
    const base = nearest(target);
    if (base === '/' || `${folder}/`.startsWith(`${base}/`)) {
      const reason = `${target} does not exist on this machine and cannot be made visible there`;
      lines.push(`echo ${quote(`${reason}; use the folder in the environment, or create it`)} >&2`);
      continue;
    }
    const layer = overlays.get(base) ?? join(folder, 'overlay', String(overlays.size));
    overlays.set(base, layer);
    const path = join(layer, 'upper', relative(base, target));
    if (existsSync(source) && statSync(source).isFile()) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, '');
    } else mkdirSync(path, { recursive: true });
    mkdirSync(join(layer, 'work'), { recursive: true });
  }
  if (overlays.size > 0) lines.push(SHADOW);
  for (const [base, layer] of overlays) {
    const options = `lowerdir=${base},upperdir=${layer}/upper,workdir=${layer}/work${rootless ? ',userxattr' : ''}`;
    const overlay = `mount -t overlay overlay -o ${quote(options)} ${quote(base)} 2>/dev/null`;
    lines.push(`${overlay} || shadow ${quote(base)} ${quote(layer)}`);
  }
  // after the overlays, which would hide them
  lines.push(bind(join(folder, 'hosts'), '/etc/hosts'), bind(join(folder, 'resolv.conf'), '/etc/resolv.conf'));
  for (const { source, target, readOnly } of mounts) {
    const again = readOnly ? ` && mount -o remount,bind,ro ${quote(target)}` : '';
    lines.push(`if [ -e ${quote(target)} ]; then ${bind(source, target)}${again}; fi`);
  }
  return `${lines.join('\n')}\nexit 0\n`;
}

/**
 * A folder in which everything of another one is mounted, and more: for where an overlay is refused, such as in a user
 * namespace over a folder with mounts in it.
 */
const SHADOW = `shadow() {
  mkdir -p "$2/shadow" && mount -t tmpfs tmpfs "$2/shadow" || return
  for old in "$1"/* "$1"/.[!.]*; do
    new="$2/shadow/\${old##*/}"
    if [ -L "$old" ]; then cp -P "$old" "$new"
    elif [ -d "$old" ]; then mkdir "$new" && mount --rbind "$old" "$new"
    elif [ -e "$old" ]; then : > "$new" && mount --bind "$old" "$new"
    fi
  done
  cp -R "$2/upper/." "$2/shadow/" && mount --rbind "$2/shadow" "$1"
}`;

function bind(source: string, target: string): string {
  return `mount --bind ${quote(source)} ${quote(target)}`;
}

function nearest(path: string): string {
  let base = dirname(path);
  while (!existsSync(base)) base = dirname(base);
  return base;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
