import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import type { Json } from './json.ts';

interface Leftover {
  /** `[]` stands for each item of a list. */
  readonly path: string;
  readonly message: string;
  readonly fix: string;
}

const USE_ROUTE_PORTS =
  'name the ports in a TCPRoute or UDPRoute, under spec.matches.ports, and refer to it in spec.rules';
const PORT_UNUSED = 'has no effect in this version, so that every port is open which the rules do not exclude';

/** Fields of older versions that the CRDs admit and that mean nothing: somebody may believe that they restrict access. */
const LEFTOVERS: ReadonlyMap<string, readonly Leftover[]> = new Map([
  [
    'TrafficTarget',
    [
      { path: 'spec.destination.port', message: PORT_UNUSED, fix: USE_ROUTE_PORTS },
      { path: 'spec.sources[].port', message: PORT_UNUSED, fix: USE_ROUTE_PORTS },
    ],
  ],
  [
    'HTTPRouteGroup',
    [
      {
        path: 'matches',
        message: 'at the root has no effect since specs v1alpha3, so that its entries match nothing',
        fix: 'move the entries to spec.matches',
      },
    ],
  ],
]);

/** Warnings about what older versions say and the hub has no field for (`conversion/`). `older` is what was kept of it. */
export function olderRemarks(older: Readonly<Record<string, unknown>>, object: ObjectRef): Diagnostic[] {
  const remark = (path: string, message: string, fix: string): Diagnostic => ({
    code: 'SMI0008',
    level: 'warning',
    object,
    path,
    message: `${path} ${message}`,
    fix,
  });
  const { weights, sourcePorts } = older;
  return [
    ...indicesOf(weights, (weight) => weight === null).map((i) =>
      remark(`spec.backends[${i}].weight`, 'is not given and counts as 0', 'write the weight, 0 if it is meant'),
    ),
    ...indicesOf(sourcePorts, (port) => port !== null).map((i) =>
      remark(`spec.sources[${i}].port`, 'has no effect: a caller has no port of its own', 'leave it out'),
    ),
  ];
}

/** Where in a list something holds; nowhere when it is none. */
function indicesOf(list: unknown, holds: (item: unknown) => boolean): number[] {
  return Array.isArray(list) ? list.flatMap((item: unknown, i) => (holds(item) ? [i] : [])) : [];
}

/** Warnings about fields of `root` that are present and without effect. `group`, `apiGroup` and `name` need none. */
export function leftovers(root: Json, object: ObjectRef): Diagnostic[] {
  return (LEFTOVERS.get(object.kind) ?? []).flatMap(({ path, message, fix }) =>
    places(root, path.split('.'))
      .filter((place) => !place.absent)
      .map(({ path }) => ({ code: 'SMI0004', level: 'warning', object, path, message: `${path} ${message}`, fix })),
  );
}

function places(from: Json, steps: readonly string[]): Json[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [from];
  if (!step.endsWith('[]')) return places(from.at(step), rest);
  return (from.at(step.slice(0, -2)).items() ?? []).flatMap((item) => places(item, rest));
}
