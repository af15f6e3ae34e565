import { intOrText, type Kind, list, object, type Schema, text, type Version } from './parts.ts';

const GROUP = 'access.smi-spec.io';
const NO_PORT =
  'No effect in this version, where ports are given by a TCPRoute or UDPRoute among the rules. Older manifests carry it.';
const DESTINATION_PORT =
  'Port that is opened, as the Service of the destination has it (not the container). Left out, every port that the rules do not exclude. Newer versions have no field for it; it stays in force there all the same.';
const SOURCE_PORT = 'No effect: a caller has no port of its own. Older manifests carry it.';

interface Flavour {
  /** From access v1alpha4 on identities may be IdentityBindings. */
  readonly bindings: boolean;
  /** Until access v1alpha2 a destination may have a port. */
  readonly ports: boolean;
  /** Lists that must be there. */
  readonly required: readonly string[];
}

function subject(end: 'source' | 'destination', { bindings, ports }: Flavour): Schema {
  const what = bindings ? 'ServiceAccount or IdentityBinding' : 'ServiceAccount';
  const namespace =
    end === 'destination'
      ? `Namespace of the destination ${what}. Left out, it is the namespace of this TrafficTarget, and it must be that one: a target opens only workloads of its own namespace.`
      : `Namespace of the source ${what}. Left out, it is the namespace of this TrafficTarget.`;
  const port = !ports ? NO_PORT : end === 'destination' ? DESTINATION_PORT : SOURCE_PORT;
  return object(
    end === 'destination'
      ? 'The workloads that are opened, by the identity they run as.'
      : 'One caller, by the identity it runs as.',
    {
      kind: text(
        bindings
          ? 'Kind of the identity: ServiceAccount, or IdentityBinding. Other kinds are kept and grant nothing.'
          : 'Kind of the identity. ServiceAccount is the one that grants access; other kinds are kept and grant nothing.',
      ),
      name: text(`Name of the ${end} ${what}.`),
      namespace: text(namespace),
      group: text('No effect. The samples of the SMI text carry it, so it is admitted.'),
      port: intOrText(port),
    },
    ['kind', 'name'],
  );
}

function fields(flavour: Flavour): Readonly<Record<'destination' | 'sources' | 'rules', Schema>> {
  return {
    destination: subject('destination', flavour),
    sources: list(
      'The callers that are let in. One of them is enough; an empty list, or none, lets nobody in.',
      subject('source', flavour),
    ),
    rules: list(
      'The traffic that is let in. HTTPRouteGroups are ORed among each other, and so are TCPRoutes; a target with both lets in what one of the groups matches on one of the ports. An empty list, or none, lets nothing in.',
      object(
        'One description of traffic, by reference to an object of this namespace.',
        {
          // UDPRoute in every version: a target that a newer version wrote must stay editable in an older one
          kind: text('Kind of the object that describes the traffic. UDPRoute from access v1alpha3 on.', {
            enum: ['HTTPRouteGroup', 'TCPRoute', 'UDPRoute'],
          }),
          name: text('Name of that object, in the namespace of this TrafficTarget.'),
          matches: list(
            'Names of entries of the HTTPRouteGroup. Left out, all of its entries count. A name that does not exist grants nothing and is reported.',
            text('Name of one entry of the HTTPRouteGroup.'),
          ),
        },
        ['kind', 'name'],
      ),
    ),
  };
}

const ABOUT =
  "A TrafficTarget lets the workloads that are its sources call the workloads that are its destination, for the traffic that its rules describe. Targets only ever add permissions: what no target allows is denied where the destination's namespace is in deny mode (annotation weft.dev/policy). Callers are known by the certificate of their sidecar, never by their address.";

function wrapped(name: string, flavour: Flavour): Version {
  return {
    name,
    about: ABOUT,
    fields: {
      spec: object('Who may call whom, and with what traffic.', fields(flavour), ['destination', ...flavour.required]),
    },
    columns: [
      {
        name: 'Destination',
        jsonPath: '.spec.destination.name',
        description: 'Identity of the workloads that are opened.',
      },
    ],
  };
}

function flat(name: string, flavour: Flavour): Version {
  const { destination, sources, rules } = fields(flavour);
  return {
    name,
    about: ABOUT,
    fields: { destination, sources, specs: rules },
    required: ['destination'],
    columns: [
      { name: 'Destination', jsonPath: '.destination.name', description: 'Identity of the workloads that are opened.' },
    ],
  };
}

export const trafficTarget: Kind = {
  group: GROUP,
  kind: 'TrafficTarget',
  plural: 'traffictargets',
  short: 'tt',
  versions: [
    flat('v1alpha1', { bindings: false, ports: true, required: [] }),
    wrapped('v1alpha2', { bindings: false, ports: true, required: [] }),
    wrapped('v1alpha3', { bindings: false, ports: false, required: ['sources', 'rules'] }),
    wrapped('v1alpha4', { bindings: true, ports: false, required: [] }),
  ],
};

const schemes: Schema = {
  ...object(
    'Ways to say which workloads are meant, at least one. A workload belongs to the binding when one of them holds. podLabelSelector and serviceAccount exclude each other.',
    {
      podLabelSelector: {
        ...object(
          'Pods of this namespace by their labels. A pod counts as the caller only when the identity that its sidecar proves is the one of that pod; an address is never enough.',
          {
            matchLabels: {
              description: 'Labels that a pod must have, all of them, with these values.',
              type: 'object',
              nullable: true,
              minProperties: 1,
              additionalProperties: text('Value of the label.'),
            },
          },
          ['matchLabels'],
        ),
        nullable: true,
      },
      spiffeIdentities: list(
        'SPIFFE IDs, each in full: "spiffe://cluster.local/ns/shop/sa/web". Without "spiffe://" it is nobody\'s.',
        text('One SPIFFE ID.'),
        { nullable: true, minItems: 1 },
      ),
      serviceAccount: text('Name of a ServiceAccount of this namespace.', { nullable: true }),
    },
  ),
  minProperties: 1,
};

export const identityBinding: Kind = {
  group: GROUP,
  kind: 'IdentityBinding',
  plural: 'identitybindings',
  short: 'ib',
  versions: [
    {
      name: 'v1alpha4',
      about:
        'An IdentityBinding gives a name to a set of workloads of its own namespace. By itself it does nothing: a TrafficTarget refers to it as destination or as source.',
      fields: { spec: object('Which workloads are meant.', { schemes }, ['schemes']) },
      columns: [
        {
          name: 'Service Account',
          jsonPath: '.spec.schemes.serviceAccount',
          description: 'The ServiceAccount that it stands for.',
        },
        {
          name: 'Labels',
          jsonPath: '.spec.schemes.podLabelSelector.matchLabels',
          description: 'Labels of the pods that it stands for.',
        },
      ],
    },
  ],
};
