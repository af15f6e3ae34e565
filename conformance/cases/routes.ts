import type { Case } from '../case.ts';
import { http } from './access.ts';
import { account, routeGroup, rule, target, withSpec, type RouteEntry } from './objects.ts';

/** Checks 9 and 53 to 66 of docs/smi.md 6: which requests an HTTPRouteGroup means. */

const about = { api: 'specs.smi-spec.io', home: 'policy', group: 'access-routes' } as const;

/** Route group and target that grant a these entries. */
function granted(entries: Readonly<Record<string, RouteEntry>>) {
  const group = routeGroup('routes', entries);
  return [group, target('routes', { sources: [account('a')], rules: [rule(group)] })];
}

const OTHER_METHODS = ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND'];
const CONNECT = 'CONNECT example.test:80 HTTP/1.1\r\nHost: example.test:80\r\nx-test-id: {id}\r\n\r\n';
const LONG = 16_000;

export const ROUTE_CASES: readonly Case[] = [
  {
    ...about,
    id: 'HR-09',
    check: 9,
    title: 'headers may be written as a map or as a list of single-key maps',
    tags: ['S', 'H15'],
    steps: [
      {
        apply: granted({
          map: { path: '/map', headers: { 'x-user': 'ann', 'x-team': 'red' } },
          list: { path: '/list', headers: [{ 'x-user': 'ann' }, { 'x-team': 'red' }] },
        }),
      },
      {
        expect: ['/map', '/list'].flatMap((path) => [
          http('a', path, 'allowed', {
            headers: [
              ['x-user', 'ann'],
              ['x-team', 'red'],
            ],
          }),
          http('a', path, 'denied', { headers: [['x-user', 'ann']] }),
          http('a', path, 'denied', {
            headers: [
              ['x-user', 'bob'],
              ['x-team', 'red'],
            ],
          }),
        ]),
      },
    ],
  },
  {
    ...about,
    id: 'HR-53',
    check: 53,
    title: 'pathRegex is anchored at the start only',
    tags: ['S', 'H1'],
    steps: [
      { apply: granted({ api: { path: '/api' } }) },
      {
        expect: [
          http('a', '/api', 'allowed'),
          http('a', '/api/x', 'allowed'),
          http('a', '/apix', 'allowed'),
          http('a', '/v1/api', 'denied'),
          http('a', '/', 'denied'),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-54',
    check: 54,
    title: 'the implied anchor covers a whole alternation, and $ ends a path',
    tags: ['S', 'H1'],
    steps: [
      { apply: granted({ end: { path: '/api$' }, either: { path: '/left|/right' } }) },
      {
        expect: [
          http('a', '/api', 'allowed'),
          http('a', '/apix', 'denied'),
          http('a', '/x/api', 'denied'),
          http('a', '/left', 'allowed'),
          http('a', '/right/1', 'allowed'),
          http('a', '/x/right', 'denied'),
          http('a', '/x/left', 'denied'),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-55',
    check: 55,
    title: 'no spelling of a path gets around its match, and what was matched is what arrives',
    tags: ['H2'],
    steps: [
      { apply: granted({ pub: { path: '/pub' } }) },
      {
        expect: [
          http('a', '/pub', 'allowed'),
          http('a', '/pub/../admin', 'rejected'),
          http('a', '/pub/%2e%2e/admin', 'rejected'),
          http('a', '/pub/%2E%2e/admin', 'rejected'),
          http('a', '/pub%2f..%2fadmin', 'rejected'),
          http('a', '/pub%5c..%5cadmin', 'rejected'),
          http('a', '/pub/%00', 'rejected'),
          http('a', '/pub/%zz', 'rejected'),
          http('a', '/pub/../../admin', 'rejected', { protocol: 'http2' }),
          http('a', '//pub', { arrives: { path: '/pub' } }),
          http('a', '/%70ub', { arrives: { path: '/pub' } }),
          http('a', '/x/../pub', { arrives: { path: '/pub' } }),
          http('a', '/pub;x', { arrives: { path: '/pub;x' } }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-56',
    check: 56,
    title: 'the query is no part of the path',
    tags: ['H2'],
    steps: [
      { apply: granted({ api: { path: '/api$' } }) },
      {
        expect: [
          http('a', '/api?x=1', { arrives: { path: '/api?x=1' } }),
          http('a', '/x?/api', 'denied'),
          http('a', '/apix?x=1', 'denied'),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-57',
    check: 57,
    title: 'methods are exact; * means every method; CONNECT is 405',
    tags: ['S', 'H10'],
    steps: [
      { apply: granted({ read: { path: '/read', methods: ['GET', 'HEAD'] }, any: { path: '/any', methods: ['*'] } }) },
      {
        expect: [
          http('a', '/read', 'allowed'),
          http('a', '/read', 'allowed', { method: 'HEAD' }),
          ...OTHER_METHODS.map((method) => http('a', '/read', 'denied', { method })),
          ...['GET', 'HEAD', ...OTHER_METHODS].map((method) => http('a', '/any', 'allowed', { method })),
          http('a', '/', { status: 405 }, { protocol: 'raw', bytes: CONNECT }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-58',
    check: 58,
    title: 'a match of headers alone holds for every path and method',
    tags: ['S'],
    steps: [
      { apply: granted({ user: { headers: { 'x-user': 'al.*' } } }) },
      {
        expect: [
          http('a', '/any', 'allowed', { headers: [['x-user', 'alice']] }),
          http('a', '/other/thing', 'allowed', { headers: [['x-user', 'al']], method: 'DELETE' }),
          http('a', '/any', 'denied'),
          http('a', '/any', 'denied', { headers: [['x-user', 'bob']] }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-59',
    check: 59,
    title: 'headers of one match must all hold; of two matches one is enough',
    tags: ['S'],
    steps: [
      {
        apply: granted({
          both: { path: '/both', headers: { 'x-one': '1', 'x-two': '2' } },
          one: { path: '/either', headers: { 'x-one': '1' } },
          two: { path: '/either', headers: { 'x-two': '2' } },
        }),
      },
      {
        expect: [
          http('a', '/both', 'allowed', {
            headers: [
              ['x-one', '1'],
              ['x-two', '2'],
            ],
          }),
          http('a', '/both', 'denied', { headers: [['x-one', '1']] }),
          http('a', '/both', 'denied', { headers: [['x-two', '2']] }),
          http('a', '/either', 'allowed', { headers: [['x-one', '1']] }),
          http('a', '/either', 'allowed', { headers: [['x-two', '2']] }),
          http('a', '/either', 'denied'),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-60',
    check: 60,
    title: 'the case of a header name does not matter',
    tags: ['S'],
    steps: [
      { apply: granted({ lang: { headers: { 'Accept-Language': 'de.*' } } }) },
      {
        expect: [
          http('a', '/', 'allowed', { headers: [['accept-language', 'de-CH']] }),
          http('a', '/', 'allowed', { headers: [['ACCEPT-LANGUAGE', 'de-CH']] }),
          http('a', '/', 'allowed', { headers: [['accept-language', 'de-CH']], protocol: 'http2' }),
          http('a', '/', 'denied', { headers: [['accept-language', 'fr']] }),
          http('a', '/', 'denied', { protocol: 'http2' }),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-61',
    check: 61,
    title: 'a header regex matches the whole value; absent never matches; repeated headers are joined',
    tags: ['H4', 'H5', 'H6'],
    steps: [
      {
        apply: granted({
          foo: { path: '/foo', headers: { 'x-kind': 'foo' } },
          joined: { path: '/joined', headers: { 'x-kind': 'bar, foo' } },
          any: { path: '/any', headers: { 'x-kind': '.*' } },
        }),
      },
      {
        expect: [
          http('a', '/foo', 'allowed', { headers: [['x-kind', 'foo']] }),
          http('a', '/foo', 'denied', { headers: [['x-kind', 'xfoox']] }),
          http('a', '/foo', 'denied', { headers: [['x-kind', '']] }),
          http('a', '/foo', 'denied'),
          http('a', '/foo', 'denied', {
            headers: [
              ['x-kind', 'bar'],
              ['x-kind', 'foo'],
            ],
          }),
          http('a', '/joined', 'allowed', {
            headers: [
              ['x-kind', 'bar'],
              ['x-kind', 'foo'],
            ],
          }),
          http('a', '/joined', 'allowed', {
            headers: [
              ['x-kind', 'bar'],
              ['x-kind', 'foo'],
            ],
            protocol: 'http2',
          }),
          http('a', '/any', 'allowed', { headers: [['x-kind', '']] }),
          http('a', '/any', 'denied'),
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-62',
    check: 62,
    title: 'a header match on host means the authority, in HTTP/1.1 and HTTP/2',
    tags: ['H7'],
    steps: [
      {
        apply: granted({
          right: { path: '/right', headers: { host: 'b.*' } },
          wrong: { path: '/wrong', headers: { host: 'elsewhere.*' } },
        }),
      },
      {
        expect: (['http1', 'http2'] as const).flatMap((protocol) => [
          http('a', '/right', 'allowed', { protocol }),
          http('a', '/wrong', 'denied', { protocol }),
        ]),
      },
    ],
  },
  {
    ...about,
    id: 'HR-63',
    check: 63,
    title: 'a pattern that makes backtracking engines explode is decided at once',
    tags: ['H3'],
    steps: [
      { apply: granted({ bomb: { path: '/(a+)+$' } }) },
      {
        expect: [http('a', `/${'a'.repeat(LONG)}`, 'allowed'), http('a', `/${'a'.repeat(LONG)}!`, 'denied')],
      },
    ],
  },
  {
    ...about,
    id: 'HR-64',
    check: 64,
    title: 'enforcement follows a change of the route group alone',
    tags: ['S'],
    steps: [
      { apply: granted({ route: { path: '/old' } }) },
      { expect: [http('a', '/old', 'allowed'), http('a', '/new', 'denied')] },
      { apply: [withSpec(routeGroup('routes', {}), { matches: [{ name: 'route', pathRegex: '/new' }] })] },
      { expect: [http('a', '/old', 'denied'), http('a', '/new', 'allowed')] },
    ],
  },
  {
    ...about,
    id: 'HR-65',
    check: 65,
    title: 'gRPC methods are decided for each stream of one connection',
    tags: ['H14'],
    steps: [
      { apply: granted({ get: { path: '/pkg.Svc/Get', methods: ['POST'] } }) },
      {
        expect: [
          {
            from: 'a',
            to: { service: '$b' },
            protocol: 'grpc',
            paths: ['/pkg.Svc/Get', '/pkg.Svc/Put'],
            count: 20,
            reuse: true,
            is: { byPath: { '/pkg.Svc/Get': 'allowed', '/pkg.Svc/Put': 'forbidden' } },
          },
        ],
      },
    ],
  },
  {
    ...about,
    id: 'HR-66',
    check: 66,
    title: 'a WebSocket upgrade is decided by its GET, and then frames flow',
    tags: ['H14'],
    steps: [
      { apply: granted({ socket: { path: '/socket', methods: ['GET'] } }) },
      {
        expect: [
          http('a', '/socket', 'allowed', { protocol: 'websocket' }),
          http('a', '/other', 'forbidden', { protocol: 'websocket' }),
        ],
      },
    ],
  },
];
