import type { PolicyMode } from '../mesh/resources.ts';

export interface CompileOptions {
  /** Trust domain of every identity in the mesh. Default `weft.local`. */
  readonly trustDomain?: string;
  /** The cluster's DNS domain, for host names of Services. Default `cluster.local`. */
  readonly clusterDomain?: string;
  /** Mode of namespaces that do not say one. Default `permissive`: installing the mesh breaks nobody (`smi.md` A1). */
  readonly defaultMode?: PolicyMode;
}

/** The options with every default filled in. */
export type Settings = Required<CompileOptions>;

export function settingsOf(options: CompileOptions): Settings {
  return {
    trustDomain: options.trustDomain ?? 'weft.local',
    clusterDomain: options.clusterDomain ?? 'cluster.local',
    defaultMode: options.defaultMode ?? 'permissive',
  };
}
