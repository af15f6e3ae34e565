import type { Reading } from '../base/metrics.ts';
import type { Watch } from '../base/watch.ts';
import type { DiscoveryServer } from '../discovery/server.ts';
import type { Compiled } from './mesh-controller.ts';

/** The controller's own numbers. */
export function controlReadings(
  compiled: Watch<Compiled>,
  discovery: Pick<DiscoveryServer, 'proxies'>,
): readonly Reading[] {
  const one = (value: number) => [{ labels: {}, value }];
  return [
    {
      name: 'weft_proxies',
      help: 'Connected sidecars, by whether they have what they should have.',
      type: 'gauge',
      read() {
        const counts = { live: 0, pending: 0, refused: 0 };
        for (const { version, wanted, rejection } of discovery.proxies()) {
          counts[rejection !== undefined ? 'refused' : version === wanted ? 'live' : 'pending']++;
        }
        return Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
      },
    },
    {
      name: 'weft_workloads',
      help: 'Pods with a sidecar, connected or not.',
      type: 'gauge',
      read: () => one(compiled.current()?.configs.size ?? 0),
    },
    {
      name: 'weft_services',
      help: 'Services in the mesh.',
      type: 'gauge',
      read: () => one(compiled.current()?.mesh.services.size ?? 0),
    },
    {
      name: 'weft_diagnostics',
      help: 'What there is to tell users now, by code and level.',
      type: 'gauge',
      read() {
        const counts = new Map<string, { labels: { code: string; level: string }; value: number }>();
        for (const { code, level } of compiled.current()?.diagnostics ?? []) {
          const known = counts.get(code + level);
          if (known === undefined) counts.set(code + level, { labels: { code, level }, value: 1 });
          else known.value++;
        }
        return [...counts.values()];
      },
    },
  ];
}
