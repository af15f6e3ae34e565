/** A structural schema as it goes into a CRD. */
export type Schema = Readonly<Record<string, unknown>>;

export function text(description: string, more: Schema = {}): Schema {
  return { description, type: 'string', ...more };
}

export function object(description: string, properties: Readonly<Record<string, Schema>>, required: string[] = []) {
  return { description, type: 'object', ...(required.length === 0 ? {} : { required }), properties };
}

export function list(description: string, items: Schema, more: Schema = {}): Schema {
  return { description, type: 'array', ...more, items };
}

/** A field that takes a number as well as a text. */
export function intOrText(description: string, more: Schema = {}): Schema {
  return { description, 'x-kubernetes-int-or-string': true, ...more };
}

/** A field whose shape no structural schema can say. */
export function anything(description: string): Schema {
  return { description, 'x-kubernetes-preserve-unknown-fields': true };
}

export interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly description: string;
}

export interface Version {
  readonly name: string;
  /** What the kind is for, as `kubectl explain` begins. */
  readonly about: string;
  /** Fields of the object besides apiVersion, kind, metadata and status. */
  readonly fields: Readonly<Record<string, Schema>>;
  /** Those of them that must be there. */
  readonly required?: readonly string[];
  readonly columns: readonly Column[];
}

export interface Kind {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly short: string;
  /** Oldest first. The last one is stored. */
  readonly versions: readonly Version[];
}

/** The whole CustomResourceDefinition of a kind. */
export function crd({ group, kind, plural, short, versions }: Kind): Schema {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { 'app.kubernetes.io/part-of': 'weft' } },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase(), shortNames: [short] },
      versions: versions.map((version) => versionOf(group, kind, version, version === versions.at(-1))),
    },
  };
}

function versionOf(group: string, kind: string, version: Version, storage: boolean): Schema {
  const { name, about, fields, required = [], columns } = version;
  return {
    name,
    served: true,
    storage,
    subresources: { status: {} },
    additionalPrinterColumns: [
      ...columns.map((column) => ({
        name: column.name,
        type: 'string',
        jsonPath: column.jsonPath,
        description: column.description,
      })),
      {
        name: 'Accepted',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Accepted")].status',
        description: 'Whether the mesh has taken the object on.',
      },
      {
        name: 'Age',
        type: 'date',
        jsonPath: '.metadata.creationTimestamp',
        description: 'Time since the object was made.',
      },
    ],
    schema: {
      openAPIV3Schema: {
        description: about,
        type: 'object',
        ...(required.length === 0 ? {} : { required }),
        properties: {
          apiVersion: text(`${group}/${name}`),
          kind: text(kind),
          metadata: { type: 'object' },
          ...fields,
          status: STATUS,
        },
      },
    },
  };
}

const STATUS = object('What Weft made of this object. Written by the mesh only; clients leave it alone.', {
  conditions: list(
    'Facts about this object, one per type: Accepted (the mesh has taken it on), ResolvedRefs (all that it names exists), Conflicted (another object has precedence), Programmed (the sidecars have it).',
    object(
      'One fact about this object, in the form all Kubernetes conditions have.',
      {
        type: text('What the fact is about, in CamelCase.', { maxLength: 316 }),
        status: text('Whether it holds.', { enum: ['True', 'False', 'Unknown'] }),
        reason: text('Why, as one CamelCase word for programs.', { minLength: 1, maxLength: 1024 }),
        message: text('Why, as a sentence for people, with what to do about it.', { maxLength: 32768 }),
        lastTransitionTime: text('When the status last changed from one value to another.', { format: 'date-time' }),
        observedGeneration: {
          description: 'The metadata.generation that the fact was found for; older than the object means out of date.',
          type: 'integer',
          format: 'int64',
          minimum: 0,
        },
      },
      ['type', 'status', 'lastTransitionTime', 'reason', 'message'],
    ),
    { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] },
  ),
});
