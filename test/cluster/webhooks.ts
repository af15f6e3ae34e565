import { systemClock as clock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { CONVERT_PATH, VALIDATE_PATH } from '../../src/control/webhook-server.ts';
import type { KubernetesApi } from '../../src/kubernetes/api.ts';
import { registerWebhooks } from '../../src/kubernetes/webhooks.ts';
import { loadCrds } from '../../src/spec/crds.ts';
import { loopbackWebhooks } from '../control/loopback-webhooks.ts';

/** Weft's webhooks on loopback, and an API server that has been told of them. */
export async function webhooksFor(api: KubernetesApi, signal: AbortSignal) {
  const { server, port, ca } = await loopbackWebhooks();
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
