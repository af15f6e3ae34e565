import { timestamp } from '../controllers/conditions.ts';
import type { ContainerState } from '../controllers/objects.ts';

/** How a container ended whose end nobody saw. */
export function lost(
  startedAt: string | undefined,
  nowMs: number,
  containerID: string,
): NonNullable<ContainerState['terminated']> {
  const finishedAt = timestamp(nowMs);
  const message = 'The container was running when the node went down';
  return { exitCode: 255, reason: 'Unknown', message, startedAt: startedAt ?? finishedAt, finishedAt, containerID };
}

/** As Kubernetes writes it: `10s`, `2m40s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
