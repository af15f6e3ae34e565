/** Names that Weft gives a meaning to, on objects of the user. One place, so that docs, compile and runtime agree. */

/** Namespace label (and pod annotation, which overrules it): `enabled` or `disabled`. */
export const INJECT = 'weft.dev/inject';
/** Set by the injector on pods that have a sidecar; everything else is unmeshed. Value: `true`. */
export const INJECTED = 'weft.dev/injected';
/** Namespace annotation: `deny`, `permissive` or `audit`. */
export const POLICY = 'weft.dev/policy';
/** Pod or namespace annotation: comma-separated ports whose bytes are never looked at. */
export const OPAQUE_PORTS = 'weft.dev/opaque-ports';
/** Pod or namespace annotation: ports that bypass the sidecar. */
export const SKIP_INBOUND_PORTS = 'weft.dev/skip-inbound-ports';
export const SKIP_OUTBOUND_PORTS = 'weft.dev/skip-outbound-ports';
/** Label of EndpointSlices: the Service they belong to. */
export const SERVICE_NAME = 'kubernetes.io/service-name';
