import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Column, ColumnKind, Site } from '../column.ts';
import { startListening, stopAll, versionOf } from '../processes.ts';

/** Upstream connections kept alive, no access log. The hop is HTTP/1.1, the only one nginx has. */
export const nginx: ColumnKind = {
  id: 'nginx',
  title: 'nginx',
  version: () => versionOf('nginx', ['-v'], /nginx\/(\S+)/),
  start,
};

const STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';
const NO_STREAM = { cannot: "nginx's stream module is not installed" };
const TLS = 'TLSv1.3';
const SUITE = 'TLS_AES_128_GCM_SHA256';

async function start(site: Site): Promise<Column> {
  const { app, dir } = site;
  const [http1, grpc, tcp, oneHop, oneHopTcp, hopHttp1, hopGrpc, hopTcp] = await Promise.all(
    Array.from({ length: 8 }, () => site.freePort()),
  );
  const withStream = existsSync(STREAM_MODULE);
  const b = `
http {
  ${common(dir, 'b')}
  ${serverTls('')}
  upstream app { server 127.0.0.1:${app.http1}; ${KEPT} }
  upstream grpc { server 127.0.0.1:${app.grpc}; ${KEPT} }
  server { listen 127.0.0.1:${hopHttp1} ssl; location / { proxy_pass http://app; } }
  server { listen 127.0.0.1:${hopGrpc} ssl http2; location / { grpc_pass grpc://grpc; } }
}
${withStream ? `stream { ${serverTls('')} server { listen 127.0.0.1:${hopTcp} ssl; proxy_pass 127.0.0.1:${app.tcp}; } }` : ''}`;
  const a = `
http {
  ${common(dir, 'a')}
  ${clientTls('proxy')}
  ${clientTls('grpc')}
  upstream app { server 127.0.0.1:${app.http1}; ${KEPT} }
  upstream hop { server 127.0.0.1:${hopHttp1}; ${KEPT} }
  upstream hop_grpc { server 127.0.0.1:${hopGrpc}; ${KEPT} }
  server { listen 127.0.0.1:${http1}; location / { proxy_pass https://hop; } }
  server { listen 127.0.0.1:${grpc} http2; location / { grpc_pass grpcs://hop_grpc; } }
  server { listen 127.0.0.1:${oneHop}; location / { proxy_pass http://app; } }
}
${withStream ? `stream { ${clientTls('proxy')} server { listen 127.0.0.1:${tcp}; proxy_ssl on; proxy_pass 127.0.0.1:${hopTcp}; } server { listen 127.0.0.1:${oneHopTcp}; proxy_pass 127.0.0.1:${app.tcp}; } }` : ''}`;
  const far = await run(site, 'b', withStream, b, hopHttp1!);
  const near = await run(site, 'a', withStream, a, http1!);
  const pids = [near.pid!, far.pid!];
  return {
    entries: {
      http1: { port: http1!, pids },
      grpc: { port: grpc!, pids },
      tcp: withStream ? { port: tcp!, pids } : NO_STREAM,
      oneHop: { port: oneHop!, pids: [near.pid!] },
      oneHopTcp: withStream ? { port: oneHopTcp!, pids: [near.pid!] } : NO_STREAM,
    },
    stop: () => stopAll([near, far]),
  };
}

const KEPT = 'keepalive 256; keepalive_requests 100000000;';

function serverTls(indent: string): string {
  return [
    `ssl_protocols ${TLS}; ssl_conf_command Ciphersuites ${SUITE};`,
    'ssl_certificate b.pem; ssl_certificate_key b.key;',
    'ssl_client_certificate ca.pem; ssl_verify_client on; ssl_verify_depth 2;',
  ].join(`\n${indent}`);
}

/** @param module `proxy` or `grpc`: the settings have the same names in both */
function clientTls(module: string): string {
  const settings = `ssl_protocols ${TLS}; ssl_conf_command Ciphersuites ${SUITE};
  ssl_certificate a.pem; ssl_certificate_key a.key;
  ssl_trusted_certificate ca.pem; ssl_verify on; ssl_verify_depth 2; ssl_name b.mesh; ssl_server_name on;`;
  return settings.replaceAll(/\bssl_(?=[a-z])/g, `${module}_ssl_`);
}

function common(dir: string, side: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `access_log off; keepalive_requests 100000000; keepalive_timeout 600;
  proxy_http_version 1.1; proxy_set_header Connection "";
  ${temporary.map((name) => `${name}_temp_path ${dir}/${side}-${name};`).join(' ')}`;
}

function run({ dir, workers }: Site, side: string, withStream: boolean, servers: string, port: number) {
  const config = join(dir, `nginx-${side}.conf`);
  writeFileSync(
    config,
    `${withStream ? `load_module ${STREAM_MODULE};` : ''}
worker_processes ${workers}; worker_rlimit_nofile 20000; daemon off; pid ${dir}/nginx-${side}.pid; error_log ${dir}/nginx-${side}.err;
events { worker_connections 16384; }${servers}
`,
  );
  return startListening('nginx', ['-p', dir, '-c', config], port);
}
