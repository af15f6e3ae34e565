import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Column, ColumnKind, Site } from '../column.ts';
import { startListening, stopAll, versionOf } from '../processes.ts';

const version = () => versionOf('haproxy', ['-v'], /version (\S+)/);

export const haproxyHttp1: ColumnKind = {
  id: 'haproxy-h1',
  title: 'haproxy, HTTP/1.1 hop',
  version,
  start: (site) => start(site, 'http/1.1'),
};
export const haproxyHttp2: ColumnKind = {
  id: 'haproxy-h2',
  title: 'haproxy, HTTP/2 hop',
  version,
  start: (site) => start(site, 'h2'),
};

const OTHER = { cannot: 'see the other haproxy column' };

/** Upstream connections always shared, no log. */
async function start(site: Site, alpn: 'http/1.1' | 'h2'): Promise<Column> {
  const { app } = site;
  const [http1, grpc, tcp, oneHop, oneHopTcp, hopHttp1, hopGrpc, hopTcp] = await Promise.all(
    Array.from({ length: 8 }, () => site.freePort()),
  );
  const toHop = (protocol: string) =>
    `ssl verify required ca-file ca.pem crt a-both.pem verifyhost b.mesh sni str(b.mesh) ${protocol}`;
  const fromHop = 'ssl crt b-both.pem ca-file ca.pem verify required';
  const far = await run(
    site,
    'b',
    hopHttp1!,
    `
listen http1
  bind 127.0.0.1:${hopHttp1} ${fromHop} alpn ${alpn}
  server app 127.0.0.1:${app.http1}
listen grpc
  bind 127.0.0.1:${hopGrpc} ${fromHop} alpn h2
  server app 127.0.0.1:${app.grpc} proto h2
listen tcp
  mode tcp
  bind 127.0.0.1:${hopTcp} ${fromHop}
  server app 127.0.0.1:${app.tcp}`,
  );
  const near = await run(
    site,
    'a',
    http1!,
    `
listen http1
  bind 127.0.0.1:${http1}
  server hop 127.0.0.1:${hopHttp1} ${toHop(`alpn ${alpn}`)}
listen grpc
  bind 127.0.0.1:${grpc} proto h2
  server hop 127.0.0.1:${hopGrpc} ${toHop('alpn h2')}
listen tcp
  mode tcp
  bind 127.0.0.1:${tcp}
  server hop 127.0.0.1:${hopTcp} ${toHop('')}
listen onehop
  bind 127.0.0.1:${oneHop}
  server app 127.0.0.1:${app.http1}
listen onehoptcp
  mode tcp
  bind 127.0.0.1:${oneHopTcp}
  server app 127.0.0.1:${app.tcp}`,
  );
  const pids = [near.pid!, far.pid!];
  const http2 = alpn === 'h2';
  return {
    entries: {
      http1: { port: http1!, pids },
      grpc: http2 ? { port: grpc!, pids } : { cannot: 'gRPC does not pass an HTTP/1.1 hop' },
      tcp: http2 ? { cannot: 'haproxy has no TCP over HTTP/2' } : { port: tcp!, pids },
      oneHop: http2 ? OTHER : { port: oneHop!, pids: [near.pid!] },
      oneHopTcp: http2 ? OTHER : { port: oneHopTcp!, pids: [near.pid!] },
    },
    stop: () => stopAll([near, far]),
  };
}

function run({ dir, workers }: Site, side: string, port: number, sections: string) {
  const config = join(dir, `haproxy-${side}.cfg`);
  writeFileSync(
    config,
    `global
  nbthread ${workers}
  maxconn 8192
  ssl-default-server-options ssl-min-ver TLSv1.3
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  mode http
  maxconn 8192
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
${sections.trim()}
`,
  );
  return startListening('haproxy', ['-db', '-C', dir, '-f', config], port);
}
