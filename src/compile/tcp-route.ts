import type { Diagnostic } from '../base/diagnostic.ts';
import type { TCPRoute } from '../spec/smi.ts';
import { about } from './finding.ts';

/** A TCPRoute as rules refer to it. */
export interface CompiledTcpRoute {
  /** Service ports (`smi.md` A9); undefined = every port. */
  readonly ports: readonly number[] | undefined;
  /** Name of its only entry, which a rule's `matches` may ask for. */
  readonly entry: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** No ports are every port. With a number that is no port the route stands for none: it is not what was meant. */
export function compileTcpRoute(route: TCPRoute): CompiledTcpRoute {
  const written = route.spec?.matches?.ports ?? [];
  const valid = written.every(isPort) ? [...new Set(written)].sort((a, b) => a - b) : [];
  return {
    ports: written.length === 0 ? undefined : valid,
    entry: route.spec?.matches?.name,
    diagnostics: written.flatMap((port, i) => (isPort(port) ? [] : [invalidPort(route, port, i)])),
  };
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function invalidPort(route: TCPRoute, port: number, index: number): Diagnostic {
  return about(route, {
    code: 'SMI1401',
    level: 'error',
    path: `spec.matches.ports[${index}]`,
    message: `${port} is not a port number; the route stands for no port until it is corrected`,
    fix: 'write a whole number from 1 to 65535',
  });
}
