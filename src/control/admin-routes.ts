import { jsonReply, textReply, type AdminRoute } from '../base/admin-route.ts';
import { formatDiagnostic } from '../base/diagnostic.ts';
import type { Watch } from '../base/watch.ts';
import type { DiscoveryServer } from '../discovery/server.ts';
import type { Compiled } from './mesh-controller.ts';

export interface AdminRoutesOptions {
  readonly compiled: Watch<Compiled>;
  readonly discovery: Pick<DiscoveryServer, 'proxies'>;
  /** Undefined when ready, else what is missing. */
  readonly notReady: () => string | undefined;
}

/** The controller's pages: readiness, and what it has decided for whom. No secrets are on any of them. */
export function adminRoutes({ compiled, discovery, notReady }: AdminRoutesOptions): AdminRoute[] {
  return [
    {
      path: '/ready',
      public: true,
      handle() {
        const missing = notReady();
        return missing === undefined ? textReply('ready') : textReply(`not ready: ${missing}`, 503);
      },
    },
    { path: '/config/proxies', handle: () => jsonReply(discovery.proxies()) },
    {
      path: '/config/:namespace/:pod',
      handle(parameters) {
        const pod = `${parameters.get('namespace')}/${parameters.get('pod')}`;
        const config = compiled.current()?.configs.get(pod);
        if (config === undefined) return textReply(`pod ${pod} has no sidecar, or is not known`, 404);
        return jsonReply([...config.values()]);
      },
    },
    { path: '/mesh', handle: () => jsonReply(compiled.current()?.mesh ?? {}) },
    { path: '/diagnostics', handle: () => jsonReply(compiled.current()?.diagnostics ?? []) },
    {
      path: '/diagnostics.txt',
      handle: () => textReply((compiled.current()?.diagnostics ?? []).map(formatDiagnostic).join('\n\n')),
    },
  ];
}
