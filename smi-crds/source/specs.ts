import { anything, type Column, type Kind, list, object, type Schema, text, type Version } from './parts.ts';

const GROUP = 'specs.smi-spec.io';

const ABOUT_GROUP =
  'An HTTPRouteGroup describes HTTP requests by path, method and header, under names. By itself it does nothing: a TrafficTarget refers to it to say which requests are let in, a TrafficSplit to say which requests are split.';

// headers in every version: the published schema of v1alpha1 lists them too, though its text does not know them
const matches = list(
  'The entries. A request matches the group when one of the entries matches.',
  object(
    'One kind of request. Path, one of the methods, and every header must match; what is left out matches everything.',
    {
      name: text('Name by which a TrafficTarget selects this entry. Unique within the group.'),
      pathRegex: text(
        'Regular expression (RE2) that the path must match from its start on: "/api" also matches "/apix" and "/api/x", "/api$" only "/api". The query is not part of it; the path is normalised before. Left out: any path.',
      ),
      methods: list(
        'HTTP methods, in upper case. "*", an empty list, or none given mean any method.',
        text('One HTTP method, or "*" for any.', {
          enum: ['*', 'GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'],
        }),
      ),
      headers: anything(
        'Request headers that must all match. A map of header name to regular expression (RE2, matched against the whole value), or a list of such maps with one header each. Names are not case-sensitive; an absent header never matches.',
      ),
    },
    ['name'],
  ),
);

function groupVersion(name: string, fields: Readonly<Record<string, Schema>>, jsonPath: string): Version {
  return {
    name,
    about: ABOUT_GROUP,
    fields,
    columns: [{ name: 'Matches', jsonPath, description: 'Name of the first entry.' }],
  };
}

const wrapped = {
  spec: object('The entries of the group.', { matches }),
  matches: anything('No effect. The place of the entries before specs v1alpha3; move them to spec.matches.'),
};

export const httpRouteGroup: Kind = {
  group: GROUP,
  kind: 'HTTPRouteGroup',
  plural: 'httproutegroups',
  short: 'htr',
  versions: [
    groupVersion('v1alpha1', { matches }, '.matches[0].name'),
    groupVersion('v1alpha2', { matches }, '.matches[0].name'),
    groupVersion('v1alpha3', wrapped, '.spec.matches[0].name'),
    groupVersion('v1alpha4', wrapped, '.spec.matches[0].name'),
  ],
};

function aboutRoute(protocol: 'TCP' | 'UDP'): string {
  const not =
    protocol === 'UDP' ? ' This version of Weft does not carry UDP: the object is read, and not enforced.' : '';
  return `A ${protocol}Route describes ${protocol} traffic by the port it is for. By itself it does nothing: a TrafficTarget refers to it to say which ${protocol === 'TCP' ? 'connections' : 'datagrams'} are let in.${not}`;
}

function portsVersion(protocol: 'TCP' | 'UDP'): Version {
  const ports: Column = {
    name: 'Ports',
    jsonPath: '.spec.matches.ports',
    description: `The ${protocol} ports; none means all.`,
  };
  return {
    name: 'v1alpha4',
    about: aboutRoute(protocol),
    fields: {
      spec: object('Which ports.', {
        matches: object('Which ports. Left out, every port of the destination.', {
          name: text('Name of this description. No effect but that a rule may ask for it in its matches.'),
          ports: list(
            'Port numbers, as the Service of the destination has them (not the container). An empty list, or none, means every port.',
            { description: 'One port number.', type: 'integer' },
          ),
        }),
      }),
    },
    columns: [ports],
  };
}

function portlessVersion(name: string, fields: Readonly<Record<string, Schema>>): Version {
  return {
    name,
    about: `${aboutRoute('TCP')} In this version it stands for every port; ports that a newer version wrote stay in force.`,
    fields,
    columns: [],
  };
}

export const tcpRoute: Kind = {
  group: GROUP,
  kind: 'TCPRoute',
  plural: 'tcproutes',
  short: 'tr',
  versions: [
    portlessVersion('v1alpha1', {}),
    portlessVersion('v1alpha2', {}),
    portlessVersion('v1alpha3', { spec: { description: 'Empty: this version knows no ports.', type: 'object' } }),
    portsVersion('TCP'),
  ],
};

export const udpRoute: Kind = {
  group: GROUP,
  kind: 'UDPRoute',
  plural: 'udproutes',
  short: 'ur',
  versions: [portsVersion('UDP')],
};
