/** A workload's current X.509-SVID with its key, and whom it trusts. Replaced as a whole on each rotation. */
export interface Credentials {
  /** `spiffe://...` */
  readonly identity: string;
  /** PEM: leaf first, then intermediates without the root. */
  readonly certificateChain: string;
  /** PEM, PKCS#8. */
  readonly privateKey: string;
  /** PEM certificates of every root trusted now (two during a rotation). */
  readonly trustBundle: readonly string[];
  /** Milliseconds since 1970. */
  readonly notAfter: number;
}
