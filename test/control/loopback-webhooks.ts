import { systemClock as clock } from '../../src/base/clock.ts';
import { WatchSource } from '../../src/base/watch.ts';
import { webhookServer } from '../../src/control/webhook-server.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';

/** Weft's webhooks on loopback, with a CA of their own. */
export async function loopbackWebhooks() {
  const { ca, certificate, privateKey } = serverCertificate({ clock, hosts: ['127.0.0.1'] });
  const credentials = new WatchSource<Credentials>({
    identity: '',
    certificateChain: certificate,
    privateKey,
    trustBundle: [ca],
    notAfter: Number.MAX_SAFE_INTEGER,
  });
  const server = webhookServer({ listen: { host: '127.0.0.1', port: 0 }, credentials, compile: {} });
  const { port } = await server.open();
  return { server, port, ca };
}
