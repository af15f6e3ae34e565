import { compareDiagnostics, type Diagnostic } from '../base/diagnostic.ts';
import type { Mesh } from '../mesh/mesh.ts';
import type { ProxyConfig } from '../mesh/resources.ts';
import type { Snapshot } from '../spec/snapshot.ts';
import { AccessStages } from './access-stages.ts';
import { ConfigStages } from './config-stages.ts';
import type { Findings } from './findings.ts';
import { ObjectStages } from './object-stages.ts';
import { settingsOf, type CompileOptions } from './options.ts';
import { ServiceStages } from './service-stages.ts';
import { Cell } from './stage.ts';

export interface CompileResult {
  readonly mesh: Mesh;
  /**
   * By `namespace/pod`, for each pod with a sidecar. Resources are shared between proxies, and keep their identity from
   * one result of a Compiler to its next as long as they are equal.
   */
  readonly configs: ReadonlyMap<string, ProxyConfig>;
  /** Everything to say to users, in `compareDiagnostics` order, what readers found included. */
  readonly diagnostics: readonly Diagnostic[];
}

/** Compiles one Snapshot after another, redoing only what a change concerns. The result is that of `compile`. */
export interface Compiler {
  compile(snapshot: Snapshot): CompileResult;
}

/**
 * What the mesh shall do, given what was asked. Pure and total: never throws, looks at nothing but its arguments, and
 * the order of objects makes no difference.
 */
export function compile(snapshot: Snapshot, options: CompileOptions = {}): CompileResult {
  return createCompiler(options).compile(snapshot);
}

export function createCompiler(options: CompileOptions = {}): Compiler {
  const settings = settingsOf(options);
  const objects = new ObjectStages(settings);
  const services = new ServiceStages(settings);
  const access = new AccessStages(settings);
  const configs = new ConfigStages();
  const diagnostics = new Cell<readonly Diagnostic[]>();
  return {
    compile(snapshot) {
      const facts = objects.update(snapshot);
      const reached = services.update(snapshot, facts);
      const granted = access.update(snapshot, facts);
      const { mesh, proxies } = configs.update(facts, reached, granted);
      const parts = [...facts.findings, ...reached.findings, ...granted.findings];
      return {
        mesh,
        configs: proxies,
        diagnostics: diagnostics.update([snapshot.remarks, ...parts], () =>
          [...snapshot.remarks, ...allFindings(parts)].sort(compareDiagnostics),
        ),
      };
    },
  };
}

function allFindings(parts: readonly Findings[]): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const part of parts) for (const { diagnostics } of part.values()) found.push(...diagnostics);
  return found;
}
