import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Column, PairFiles } from './bench.ts';
import { end } from './processes.ts';

/** A pair of nginx: plain -> mutual TLS 1.3 (HTTP/1.1 keep-alive) -> plain. Undefined where nginx is not installed. */
export async function nginxPair(files: PairFiles): Promise<Column | undefined> {
  if (spawnSync('nginx', ['-v']).error !== undefined) return undefined;
  const b = await start(
    files,
    'b',
    (port) => `
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_certificate b.pem; ssl_certificate_key b.key;
    ssl_client_certificate ca.pem; ssl_verify_client on;
    upstream next { server 127.0.0.1:${files.appPort}; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:${port} ssl; location / { proxy_pass http://next; } }`,
  );
  const a = await start(
    files,
    'a',
    (port) => `
    proxy_ssl_protocols TLSv1.3; proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; proxy_ssl_certificate a.pem;
    proxy_ssl_certificate_key a.key; proxy_ssl_trusted_certificate ca.pem; proxy_ssl_verify on; proxy_ssl_verify_depth 2;
    proxy_ssl_name b.mesh; proxy_ssl_server_name on;
    upstream next { server 127.0.0.1:${b.port}; keepalive 256; keepalive_requests 100000000; }
    server { listen 127.0.0.1:${port}; location / { proxy_pass https://next; } }`,
  );
  return {
    name: 'nginx',
    port: a.port,
    pids: [a.child.pid ?? 0, b.child.pid ?? 0],
    stop: async () => void (await Promise.all([end(a.child), end(b.child)])),
  };
}

async function start(
  files: PairFiles,
  side: string,
  http: (port: number) => string,
): Promise<{ child: ChildProcess; port: number }> {
  const port = await files.freePort();
  const config = join(files.dir, `nginx-${side}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${files.dir}/${side}-${name};`)
    .join(' ');
  writeFileSync(
    config,
    `worker_processes 1; daemon off; pid ${files.dir}/nginx-${side}.pid; error_log ${files.dir}/nginx-${side}.err;
     events { worker_connections 4096; }
     http { access_log off; keepalive_requests 100000000; keepalive_timeout 600; ${temporary}
     proxy_http_version 1.1; proxy_set_header Connection ""; ${http(port)} }`,
  );
  const child = spawn('nginx', ['-p', files.dir, '-c', config], { stdio: 'ignore' });
  await listening(port);
  return { child, port };
}

/** Waits until something listens there. @throws after 5 s */
export async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const up = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on 127.0.0.1:${port}`);
}
