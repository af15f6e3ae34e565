/** The ways into a column: a pair of sidecars between the client and each of the app's ports, or one hop. */
export type EntryName = 'http1' | 'grpc' | 'tcp' | 'oneHop' | 'oneHopTcp';

export interface Entry {
  /** On 127.0.0.1. */
  readonly port: number;
  /** The proxies that the traffic passes, whose CPU time counts; none where there is no mesh. */
  readonly pids: readonly number[];
}

/** What one column of the table is, up and running. */
export interface Column {
  /** An entry, or why there is none. */
  readonly entries: Readonly<Record<EntryName, Entry | { readonly cannot: string }>>;
  stop(): Promise<void>;
}

/** A column that may be chosen. */
export interface ColumnKind {
  readonly id: string;
  readonly title: string;
  /** Its program's version, or why it cannot be had here. */
  version(): { readonly found: string } | { readonly missing: string };
  start(site: Site): Promise<Column>;
}

/** Where a pair comes up. */
export interface Site {
  /** A directory of the column's own, with `ca.pem` and, for the sides a and b, `.pem`, `.key` and `-both.pem`. */
  readonly dir: string;
  /** Workers of each proxy: processes, threads or event loops, as the peer has them. */
  readonly workers: number;
  /** Where Weft's processes leave their CPU profiles, if they shall. */
  readonly profiles: string | undefined;
  readonly app: { readonly http1: number; readonly grpc: number; readonly tcp: number };
  freePort(): Promise<number>;
}
