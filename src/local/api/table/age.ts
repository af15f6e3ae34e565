/** A duration as kubectl shows it: `45s`, `3m20s`, `5h`, `2d3h`, `400d`. */
export function printDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return joined(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return joined(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return joined(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return days < 2920 ? joined(years, 'y', days % 365, 'd') : `${years}y`;
}

function joined(a: number, unit: string, b: number, smaller: string): string {
  return b === 0 ? `${a}${unit}` : `${a}${unit}${b}${smaller}`;
}

/** Time since a timestamp; `<unknown>` without one. */
export function printAge(timestamp: unknown, nowMs: number): string {
  const at = typeof timestamp === 'string' ? Date.parse(timestamp) : NaN;
  return Number.isNaN(at) ? '<unknown>' : printDuration(nowMs - at);
}
