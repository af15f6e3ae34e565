import { intOrText, type Kind, list, object, type Schema, text, type Version } from './parts.ts';

const ABOUT =
  "A TrafficSplit sends the traffic that clients in the mesh address to one Service (the root, or apex) to several other Services (the backends) in given proportions: each HTTP request on its own, raw TCP by connection. Calls to a backend's own name are never split, and a chosen backend is not split again.";
const WEIGHT =
  'Share of the traffic, as a whole number relative to the sum of all weights: 90 and 10, or 9 and 1. 0 takes none.';

const wholeWeight: Schema = { description: WEIGHT, type: 'integer', format: 'int64', minimum: 0 };

/** Every form of a Kubernetes quantity; SDK clients of v1alpha1 write "90", Azure's "500m". */
const quantityWeight = intOrText(
  'Share of the traffic, relative to the sum of all weights: 90, "90" or "900m". 0 takes none, and so does none given. Newer versions show whole numbers in the same proportions.',
  {
    minimum: 0,
    pattern:
      '^\\+?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE][+-]?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$',
  },
);

const matches = list(
  'Restricts the split to requests that one of these HTTPRouteGroups matches; all other requests go to the root Service itself. Left out, every request is split.',
  object(
    'One HTTPRouteGroup of this namespace.',
    {
      kind: text('Kind of the object that describes the requests.', { enum: ['HTTPRouteGroup'] }),
      name: text('Name of the HTTPRouteGroup.'),
      apiGroup: text('Group of the kind, specs.smi-spec.io. No effect.'),
    },
    ['kind', 'name'],
  ),
);

function version(name: string, weight: Schema, required: string[], more: Readonly<Record<string, Schema>>): Version {
  const backends = list(
    'The Services that take the traffic. One that does not exist, has no ready endpoint, or lacks the port of the request is left out, and the others share its part.',
    object(
      'One Service and its share.',
      {
        service: text(
          'Name of a Service of this namespace. The root itself may be one; it then stands for its own endpoints.',
        ),
        weight,
      },
      required.length === 0 ? [] : ['service', 'weight'],
    ),
  );
  const service = text(
    'Name of the Service of this namespace that clients call: "web", "web.shop" or "web.shop.svc.cluster.local".',
  );
  return {
    name,
    about: ABOUT,
    fields: { spec: object('What is split, and how.', { service, backends, ...more }, required) },
    columns: [
      {
        name: 'Service',
        jsonPath: '.spec.service',
        description: 'The apex service, which clients call and whose traffic is split.',
      },
      // the whole list: of a path that yields several values API servers print the first alone
      { name: 'Backends', jsonPath: '.spec.backends', description: 'Who takes the traffic, and in what shares.' },
    ],
  };
}

export const trafficSplit: Kind = {
  group: 'split.smi-spec.io',
  kind: 'TrafficSplit',
  plural: 'trafficsplits',
  short: 'ts',
  versions: [
    version('v1alpha1', quantityWeight, [], {}),
    version('v1alpha2', wholeWeight, ['service', 'backends'], {}),
    version('v1alpha3', wholeWeight, ['service', 'backends'], { matches }),
    version('v1alpha4', wholeWeight, ['service', 'backends'], { matches }),
  ],
};
