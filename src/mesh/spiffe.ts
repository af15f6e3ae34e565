/** The parts of a workload's SPIFFE ID (SPIFFE-ID 2; Weft's path is `/ns/<namespace>/sa/<service account>`). */
export interface WorkloadIdentity {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>` */
export function spiffeId({ trustDomain, namespace, serviceAccount }: WorkloadIdentity): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

const WORKLOAD_ID = /^spiffe:\/\/([a-z0-9._-]{1,255})\/ns\/([a-z0-9-]{1,63})\/sa\/([a-z0-9.-]{1,253})$/;

/** Reads a workload's SPIFFE ID; undefined when it is not exactly of Weft's form (no upper case, escapes, query...). */
export function parseSpiffeId(id: string): WorkloadIdentity | undefined {
  const match = WORKLOAD_ID.exec(id);
  if (match === null) return undefined;
  const [, trustDomain, namespace, serviceAccount] = match;
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain, namespace, serviceAccount };
}
