import { silentLog, type Logger } from '../base/log.ts';
import type { Reconciler } from '../base/reconcile.ts';
import type { Watch } from '../base/watch.ts';
import type { Compiler, CompileResult } from '../compile/compile.ts';
import type { Snapshot } from '../spec/snapshot.ts';

/** A result with what it was made from. */
export interface Compiled extends CompileResult {
  readonly snapshot: Snapshot;
}

export interface MeshControllerOptions {
  readonly source: Watch<Snapshot>;
  readonly compiler: Compiler;
  /** Hands the result to whoever serves it. */
  readonly publish: (compiled: Compiled) => void;
  readonly log?: Logger;
}

/** Keeps every proxy's configuration equal to what the specs ask for. Looks at what is, never at what changed. */
export function meshController({ source, compiler, publish, log = silentLog }: MeshControllerOptions): Reconciler {
  return {
    name: 'mesh',
    watches: [source],
    async reconcile() {
      const snapshot = source.current();
      if (snapshot === undefined) return; // not synced yet: an empty mesh would drop live traffic
      const compiled = compiler.compile(snapshot);
      publish({ ...compiled, snapshot });
      log.debug('mesh compiled', { services: compiled.mesh.services.size, findings: compiled.diagnostics.length });
      return Promise.resolve();
    },
  };
}

export interface ReportControllerOptions {
  readonly compiled: Watch<Compiled>;
  /** Other things that a report shows: who leads, what the proxies have acknowledged. */
  readonly also: readonly Pick<Watch<unknown>, 'subscribe'>[];
  /** Writes status and events; may throw: it is tried again, traffic is right already. */
  readonly report: (compiled: Compiled, signal: AbortSignal) => Promise<void>;
}

/** Tells users what was found. A reconciler of its own, so that a slow API server never holds up configuration. */
export function reportController({ compiled, also, report }: ReportControllerOptions): Reconciler {
  return {
    name: 'report',
    watches: [compiled, ...also],
    async reconcile(signal) {
      const newest = compiled.current();
      if (newest !== undefined) await report(newest, signal);
    },
  };
}
