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
        message: 'accepted, not enforced by this version: UDP is not carried by the mesh, so this route grants nothing',
        fix: 'nothing; in policy mode deny local mode keeps UDP out (isolation netns), elsewhere a NetworkPolicy has to',
      }),
    ],
  };
}
