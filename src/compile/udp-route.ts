import type { Diagnostic } from '../base/diagnostic.ts';
import type { UDPRoute } from '../spec/smi.ts';
import { about } from './finding.ts';

/** A UDPRoute as rules refer to it: known, and without effect, because the sidecars do not carry UDP yet. */
export interface CompiledUdpRoute {
  readonly diagnostics: readonly Diagnostic[];
}

export function compileUdpRoute(route: UDPRoute): CompiledUdpRoute {
  return {
    diagnostics: [
      about(route, {
        code: 'SMI1402',
        level: 'info',
        path: '',
        message: 'UDP does not pass through the mesh yet: it is neither granted nor refused by UDPRoutes',
        fix: 'restrict UDP with a NetworkPolicy where it must be restricted',
      }),
    ],
  };
}
