import { systemClock as clock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { WatchSource } from '../../src/base/watch.ts';
import { CONVERT_PATH, VALIDATE_PATH, webhookServer } from '../../src/control/webhook-server.ts';
import { serverCertificate } from '../../src/identity/server-certificate.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { registerWebhooks } from '../../src/kubernetes/webhooks.ts';
import type { Credentials } from '../../src/mesh/credentials.ts';
import { loadCrds } from '../../src/spec/crds.ts';

/** Weft's webhooks on loopback, with a CA of their own, and an API server that has been told of them. */
export async function webhooksFor(api: KubernetesApi, signal: AbortSignal) {
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
  const register = (trust: readonly string[] = [ca]) =>
    registerWebhooks(
      {
        api,
        crds: loadCrds(),
        target: { url: `https://127.0.0.1:${port}` },
        convertPath: CONVERT_PATH,
        validatePath: VALIDATE_PATH,
        namespace: 'weft-system',
        clock,
        log: silentLog,
      },
      trust,
      signal,
    );
  await register();
  return { server, port, ca, register };
}
