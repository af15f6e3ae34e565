import type { LiveEndpoint } from '../balance/live-endpoint.ts';
import type { Headers, RequestHead } from '../codec/stream.ts';
import { DESTINATION_HEADER, SERVICE_HEADER, VERSION_HEADER, VIA_HEADER } from '../headers.ts';
import type { RoutedPort } from '../route/router.ts';

type Version = RequestHead['version'];

/**
 * The hop's own fields (docs/mesh-hop.md). The same list for the same endpoint, Service and version, so that the codec knows what
 * it has written before. One per configuration.
 */
export class HopFields {
  /** For endpoints without a sidecar: only what a loop is known by. */
  readonly unmeshed: Headers;
  readonly #instance: string;
  readonly #known = new WeakMap<LiveEndpoint, Said[]>();

  /** @param instance random name of this process */
  constructor(instance: string) {
    this.#instance = instance;
    this.unmeshed = [VIA_HEADER, instance];
  }

  /** @param routed what it was called as; undefined for what no Service stands behind */
  fields(live: LiveEndpoint, routed: RoutedPort | undefined, version: Version): Headers {
    if (live.endpoint.identity === undefined) return this.unmeshed;
    let known = this.#known.get(live);
    if (known === undefined) this.#known.set(live, (known = []));
    for (const said of known) if (said.routed === routed && said.version === version) return said.fields;
    const fields = [
      DESTINATION_HEADER,
      live.name,
      SERVICE_HEADER,
      routed?.name ?? '',
      VERSION_HEADER,
      version,
      VIA_HEADER,
      this.#instance,
    ];
    known.push({ routed, version, fields });
    return fields;
  }
}

interface Said {
  readonly routed: RoutedPort | undefined;
  readonly version: Version;
  readonly fields: Headers;
}
