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
        message:
          'accepted, not enforced by this version: UDP is not carried by the mesh, so in policy mode deny none enters a pod, and elsewhere all does',
        fix: 'set the namespace annotation weft.dev/policy: deny to keep UDP out, or restrict it with a NetworkPolicy',
      }),
    ],
  };
}
