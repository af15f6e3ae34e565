import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Column, ColumnKind, Site } from '../column.ts';
import { startListening, stopAll, versionOf } from '../processes.ts';

const program = process.env['ENVOY'] ?? 'envoy';
const version = () => versionOf(program, ['--version'], /version: \w+\/([0-9.]+)/);

export const envoyHttp1: ColumnKind = {
  id: 'envoy-h1',
  title: 'Envoy, HTTP/1.1 hop',
  version,
  start: (site) => start(site, false),
};
export const envoyHttp2: ColumnKind = {
  id: 'envoy-h2',
  title: 'Envoy, HTTP/2 hop',
  version,
  start: (site) => start(site, true),
};

const OTHER = { cannot: 'see the other Envoy column' };

/** No access log, no hot restart; statistics as they come. Raw TCP: TLS, or CONNECT on the HTTP/2 hop. */
async function start(site: Site, http2: boolean): Promise<Column> {
  const { app } = site;
  const [http1, grpc, tcp, oneHop, oneHopTcp, hopHttp1, hopGrpc, hopTcp] = await Promise.all(
    Array.from({ length: 8 }, () => site.freePort()),
  );
  const far = await run(site, 'b', hopHttp1!, {
    listeners: [
      listener(hopHttp1!, httpFilter(http2 ? 'HTTP2' : 'HTTP1', 'app'), SERVER_TLS),
      listener(hopGrpc!, httpFilter('HTTP2', 'grpc'), SERVER_TLS),
      listener(hopTcp!, http2 ? connectFilter('tcp') : tcpFilter('tcp'), SERVER_TLS),
    ],
    clusters: [cluster('app', app.http1, false), cluster('grpc', app.grpc, true), cluster('tcp', app.tcp, false)],
  });
  const near = await run(site, 'a', http1!, {
    listeners: [
      listener(http1!, httpFilter('HTTP1', 'hop')),
      listener(grpc!, httpFilter('HTTP2', 'hop_grpc')),
      listener(tcp!, tcpFilter('hop_tcp', http2 ? { tunneling_config: { hostname: 'tcp.bench:80' } } : {})),
      listener(oneHop!, httpFilter('HTTP1', 'app')),
      listener(oneHopTcp!, tcpFilter('tcp')),
    ],
    clusters: [
      cluster('hop', hopHttp1!, http2, CLIENT_TLS),
      cluster('hop_grpc', hopGrpc!, true, CLIENT_TLS),
      cluster('hop_tcp', hopTcp!, http2, CLIENT_TLS),
      cluster('app', app.http1, false),
      cluster('tcp', app.tcp, false),
    ],
  });
  const pids = [near.pid!, far.pid!];
  return {
    entries: {
      http1: { port: http1!, pids },
      grpc: http2 ? { port: grpc!, pids } : { cannot: 'gRPC does not pass an HTTP/1.1 hop' },
      tcp: { port: tcp!, pids },
      oneHop: http2 ? OTHER : { port: oneHop!, pids: [near.pid!] },
      oneHopTcp: http2 ? OTHER : { port: oneHopTcp!, pids: [near.pid!] },
    },
    stop: () => stopAll([near, far]),
  };
}

const TYPES = 'type.googleapis.com/envoy.extensions';

function at(port: number) {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

/** BoringSSL does not let the suites of TLS 1.3 be chosen; with AES in hardware both ends take TLS_AES_128_GCM_SHA256. */
function tls(side: string, peer: string) {
  return {
    tls_params: {
      tls_minimum_protocol_version: 'TLSv1_3',
      tls_maximum_protocol_version: 'TLSv1_3',
    },
    tls_certificates: [{ certificate_chain: { filename: `${side}.pem` }, private_key: { filename: `${side}.key` } }],
    validation_context: {
      trusted_ca: { filename: 'ca.pem' },
      match_typed_subject_alt_names: [{ san_type: 'DNS', matcher: { exact: peer } }],
    },
  };
}

const SERVER_TLS = {
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': `${TYPES}.transport_sockets.tls.v3.DownstreamTlsContext`,
    require_client_certificate: true,
    common_tls_context: tls('b', 'a.mesh'),
  },
};
const CLIENT_TLS = {
  name: 'envoy.transport_sockets.tls',
  typed_config: {
    '@type': `${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext`,
    sni: 'b.mesh',
    common_tls_context: tls('a', 'b.mesh'),
  },
};

function listener(port: number, filter: object, transport?: object) {
  const chain = { filters: [filter], ...(transport && { transport_socket: transport }) };
  return { name: `at_${port}`, address: at(port), filter_chains: [chain] };
}

function httpFilter(codec: 'HTTP1' | 'HTTP2', to: string, more: object = {}, route: object = { prefix: '/' }) {
  const routes = [{ match: route, route: { cluster: to, ...('connect_matcher' in route && CONNECT_ROUTE) } }];
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': `${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: to,
      codec_type: codec,
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${TYPES}.filters.http.router.v3.Router` },
        },
      ],
      ...more,
    },
  };
}

const CONNECT_ROUTE = { upgrade_configs: [{ upgrade_type: 'CONNECT', connect_config: {} }] };

/** The far end of a TCP connection that travels as a CONNECT stream. */
function connectFilter(to: string) {
  const options = { upgrade_configs: [{ upgrade_type: 'CONNECT' }], http2_protocol_options: { allow_connect: true } };
  return httpFilter('HTTP2', to, options, { connect_matcher: {} });
}

function tcpFilter(to: string, more: object = {}) {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: { '@type': `${TYPES}.filters.network.tcp_proxy.v3.TcpProxy`, stat_prefix: to, cluster: to, ...more },
  };
}

function cluster(name: string, port: number, http2: boolean, transport?: object) {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: at(port) } }] }];
  const options = {
    '@type': `${TYPES}.upstreams.http.v3.HttpProtocolOptions`,
    explicit_http_config: { http2_protocol_options: {} },
  };
  return {
    name,
    load_assignment: { cluster_name: name, endpoints },
    ...(http2 && {
      typed_extension_protocol_options: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options },
    }),
    ...(transport && { transport_socket: transport }),
  };
}

function run({ dir, workers }: Site, side: string, port: number, resources: object) {
  const config = join(dir, `envoy-${side}.json`);
  writeFileSync(config, JSON.stringify({ static_resources: resources }, undefined, 2));
  const args = ['-c', config, '--concurrency', String(workers), '--disable-hot-restart', '-l', 'error'];
  return startListening(program, args, port, dir);
}
