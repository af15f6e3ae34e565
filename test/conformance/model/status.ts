import type { Stored, World } from './world.ts';

interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly message: string;
  readonly observedGeneration: number;
}

/** The conditions of an SMI object, in the words of conformance/capabilities/weft.yaml. */
export function conditionsOf(world: World, object: Stored): Condition[] {
  const missing = missingFor(world, object);
  const winner = winnerOver(world, object);
  const condition = (type: string, holds: boolean, message: string): Condition => ({
    type,
    status: holds ? 'True' : 'False',
    message,
    observedGeneration: 1,
  });
  return [
    condition('Accepted', true, 'accepted'),
    condition('ResolvedRefs', missing.length === 0, missing.join(', ')),
    condition('Conflicted', winner !== undefined, winner?.metadata.name ?? ''),
    condition('Programmed', true, 'live everywhere'),
  ];
}

function missingFor(world: World, { kind, metadata: { namespace }, spec }: Stored): string[] {
  if (kind === 'TrafficTarget')
    return (spec.rules ?? [])
      .filter((rule) => world.get(rule.kind, namespace, rule.name) === undefined)
      .map(({ name }) => name);
  if (kind !== 'TrafficSplit') return [];
  return (spec.backends ?? [])
    .map(({ service }) => service)
    .filter((service) => world.get('Service', namespace, service) === undefined);
}

function winnerOver(world: World, { kind, metadata, spec, order }: Stored): Stored | undefined {
  if (kind !== 'TrafficSplit' || spec.matches !== undefined) return undefined;
  return world
    .list('TrafficSplit', metadata.namespace)
    .find((other) => other.spec.service === spec.service && other.spec.matches === undefined && other.order < order);
}
