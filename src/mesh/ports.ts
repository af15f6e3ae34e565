/** Ports of a sidecar (`docs/mesh-hop.md`). */
export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;
export const TUNNEL_PORT = 15008;
export const ADMIN_PORT = 15020;

/** Ports of protocols in which the server speaks first or bytes cannot be told apart: never looked at by default. */
export const DEFAULT_OPAQUE_PORTS: readonly number[] = [25, 587, 3306, 4444, 5432, 6379, 9300, 11211];
