import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { systemClock } from '../../base/clock.ts';
import { type Logger, silentLog } from '../../base/log.ts';
import type { ApiClient } from '../api-client.ts';
import type { PodStreams } from '../pod-streams.ts';
import type { AdmissionPlugin } from './admission/admission.ts';
import { namespaceLifecycle } from './admission/namespace-lifecycle.ts';
import { endpointAddress, type ServiceAddress } from './admission/outbound.ts';
import { webhookCalls } from './admission/webhook-calls.ts';
import { webhookAdmission } from './admission/webhooks.ts';
import { type RemoteDiscovery, remoteDiscovery } from './aggregation/availability.ts';
import { aggregatedPaths, type AggregationDeps, type FrontProxy } from './aggregation/proxy.ts';
import { authenticator } from './auth/authenticate.ts';
import { allowAll, rbacAuthorizer } from './auth/authorize.ts';
import { jwtSigner, newSigningKey } from './auth/jwt.ts';
import { review } from './auth/reviews.ts';
import { serviceAccountTokens } from './auth/service-account-tokens.ts';
import { inProcessClient } from './client.ts';
import { conversionCaller } from './crd/conversion-webhook.ts';
import { serveCrds } from './crd/crd-controller.ts';
import { expireEvents } from './event-expiry.ts';
import type { ParseYaml } from './http/exchange.ts';
import { fixedPaths, openPaths } from './http/fixed-paths.ts';
import { type HandlerDeps, openUpgrade, requestHandler } from './http/handler.ts';
import { requestAuthorizer } from './http/request-authorizer.ts';
import { subresourceHandler } from './http/subresources.ts';
import { listenHttps } from './http/listen.ts';
import { builtinKinds } from './kinds/builtin-kinds.ts';
import { KindTable } from './kinds/kind-table.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { openApiPaths } from './openapi/serve.ts';
import { protobufDecoder } from './protobuf/decode.ts';
import { podStreamPaths } from './pods/paths.ts';
import { upgradeHandler } from './pods/upgrade.ts';
import type { RegistryDeps } from './registry/deps.ts';
import { PageBook } from './registry/pages.ts';
import { type BuiltinSchemas, loadBuiltinSchemas } from './schema/builtin-schemas.ts';
import { FileJournal } from './store/file-journal.ts';
import { keptText, lockFolder } from './store/folder.ts';
import { Store } from './store/store.ts';

export interface ApiServerOptions {
  /** Where objects, keys and the administrator's token are kept; memory only when missing. */
  readonly dataDir?: string;
  /** PEM. `ca` is what clients are told to trust. Not needed for in-process use only. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string; readonly ca: string };
  /** The administrator's bearer token; made up when missing. */
  readonly adminToken?: string;
  /** P-256 private key (PEM) that signs service-account tokens; kept in `dataDir` or made up when missing. */
  readonly serviceAccountKey?: string;
  /** Name of cluster, user and context in the kubeconfig. */
  readonly name?: string;
  /** `allow`: whoever is known may do everything. `rbac`: the stored roles and bindings decide. */
  readonly authorization?: 'allow' | 'rbac';
  /** In-process admission steps, run before any webhook. */
  readonly admission?: readonly AdmissionPlugin[];
  /** Where Services are reached that webhooks and APIServices name; by their EndpointSlices when missing. */
  readonly serviceAddress?: ServiceAddress;
  /** Shown to extension servers, so that they believe who asks. */
  readonly frontProxy?: FrontProxy;
  /** Logs and commands of pods; without it those subresources answer 501. */
  readonly podStreams?: PodStreams;
  /** Reads YAML bodies; without it bodies have to be JSON (kubectl and client-go always send JSON). */
  readonly parseYaml?: ParseYaml;
  readonly clock?: Clock;
  readonly log?: Logger;
  /** Where Services take their addresses from; IPv4, 10.96.0.0/16 when missing. */
  readonly serviceCidr?: string;
  /** Changes per resource that watches can go back. */
  readonly historySize?: number;
  /** Pause between bookmarks of a watch. */
  readonly bookmarkMs?: number;
}

export interface ApiServer {
  readonly client: ApiClient;
  readonly adminToken: string;
  /** Opens the HTTPS door. Port 0 takes a free one. */
  listen(address: { host: string; port: number }): Promise<{ readonly url: string }>;
  /** For kubectl and other clients of this machine. @throws before `listen` */
  kubeconfig(): string;
  /** Serves until aborted, then ends all requests, closes the door and the log. */
  run(signal: AbortSignal): Promise<void>;
}

/** The embedded Kubernetes-style API server. For development, tests and CI; production is Kubernetes. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { clock = systemClock, log = silentLog, name = 'weft-local' } = options;
  const { store, journal, unlock } = await openStore(options, log);
  const schemas = loadBuiltinSchemas();
  const address = options.serviceAddress ?? endpointAddress(store);
  const webhooks = webhookCalls(address);
  const deps: RegistryDeps = {
    kinds: new KindTable(builtinKinds(schemas, { serviceCidr: options.serviceCidr ?? '10.96.0.0/16' })),
    store,
    clock,
    admission: [namespaceLifecycle(store), ...(options.admission ?? []), webhookAdmission(store, webhooks)],
    convertByWebhook: conversionCaller(webhooks),
  };
  const client = inProcessClient(deps);
  const stopCrds = serveCrds({ store, kinds: deps.kinds, client, resolve: schemas.resolve, log });
  await createNamespaces(client);
  const adminToken =
    options.adminToken ?? (await keptText(options.dataDir, 'admin.token', () => randomBytes(32).toString('base64url')));
  const signingKey =
    options.serviceAccountKey ?? (await keptText(options.dataDir, 'service-account.key', newSigningKey));
  const stop = new AbortController();
  let url: string | undefined;
  const aggregation = { store, address, frontProxy: options.frontProxy };
  const remote = remoteDiscovery({ ...aggregation, client, clock, log });
  const handling = handlerDeps(options, deps, {
    aggregation,
    remote,
    schemas,
    adminToken,
    signingKey,
    signal: stop.signal,
    url: () => url ?? '',
    healthy: () => journal?.healthy ?? true,
  });
  const handler = requestHandler(handling);
  const upgrade = upgradeHandler({
    streams: options.podStreams,
    store,
    clock,
    open: (request) => openUpgrade(handling, request),
    signal: stop.signal,
  });
  const doors: { close(): Promise<void> }[] = [];
  return {
    client,
    adminToken,
    async listen(address) {
      if (options.tls === undefined) throw new Error('the API server cannot listen: no TLS certificate was given');
      const door = await listenHttps(options.tls, address, handler, upgrade, log);
      doors.push(door);
      url = door.url;
      return { url: door.url };
    },
    kubeconfig() {
      if (url === undefined || options.tls === undefined) throw new Error('the API server does not listen yet');
      return kubeconfigText(url, options.tls.ca, adminToken, name);
    },
    async run(signal) {
      await Promise.all([remote.run(signal), expireEvents(client, clock, signal), aborted(signal)]);
      stop.abort();
      stopCrds();
      await Promise.all(doors.map((door) => door.close()));
      webhooks.close();
      await journal?.close();
      await unlock?.();
    },
  };
}

interface ServingOptions {
  readonly aggregation: AggregationDeps;
  readonly remote: RemoteDiscovery;
  readonly schemas: BuiltinSchemas;
  readonly adminToken: string;
  readonly signingKey: string;
  readonly signal: AbortSignal;
  readonly url: () => string;
  readonly healthy: () => boolean;
}

function handlerDeps(options: ApiServerOptions, deps: RegistryDeps, serving: ServingOptions): HandlerDeps {
  const { aggregation, remote, schemas, adminToken, signingKey, signal, url, healthy } = serving;
  const { store, kinds, clock } = deps;
  const signer = jwtSigner(signingKey);
  const tokens = serviceAccountTokens(signer, store, clock);
  const authorizer = options.authorization === 'rbac' ? rbacAuthorizer(store) : allowAll;
  const isAdminToken = (token: string) =>
    token.length === adminToken.length && timingSafeEqual(Buffer.from(token), Buffer.from(adminToken));
  const resources = {
    ...deps,
    pages: new PageBook(),
    parseYaml: options.parseYaml,
    decodeProtobuf: protobufDecoder(),
    bookmarkMs: options.bookmarkMs ?? 60_000,
    review: review.bind(undefined, { tokens, isAdminToken, authorizer }),
  };
  return {
    ...resources,
    signal,
    authenticate: authenticator(adminToken, tokens),
    authorize: requestAuthorizer(authorizer),
    open: openPaths(() => !signal.aborted && healthy()),
    aggregated: aggregatedPaths(aggregation),
    fixed: fixedPaths({
      kinds,
      address: () => url().replace('https://', ''),
      jwks: signer.jwks,
      remote: () => remote.lists(),
      openapi: openApiPaths(kinds, schemas),
    }),
    subresources: subresourceHandler({
      ...resources,
      tokens,
      podStreams: podStreamPaths(options.podStreams, store, clock),
    }),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The store, filled from the data folder when there is one. */
async function openStore({ dataDir, historySize }: ApiServerOptions, log: Logger) {
  const history = historySize === undefined ? {} : { historySize };
  if (dataDir === undefined) return { store: new Store(history), journal: undefined, unlock: undefined };
  const unlock = await lockFolder(dataDir);
  const { journal, records } = await FileJournal.open({ folder: dataDir, log }).catch(async (error: unknown) => {
    await unlock();
    throw error;
  });
  const store = new Store({ ...history, journal });
  for (const record of records) store.restore(record);
  store.restored();
  journal.serve(store);
  return { store, journal, unlock };
}

async function createNamespaces(client: ApiClient): Promise<void> {
  const resource = { group: '', resource: 'namespaces' };
  for (const name of ['default', 'kube-node-lease', 'kube-public', 'kube-system']) {
    if (client.get(resource, '', name) !== undefined) continue;
    await client.create(resource, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
}
