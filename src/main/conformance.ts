import { readFileSync } from 'node:fs';
import { readCapabilities, WEFT_CAPABILITIES, type Capabilities } from '../../conformance/capabilities.ts';
import type { Controls } from '../../conformance/controls.ts';
import { textReport, type Report } from '../../conformance/report.ts';
import { runConformance, selectCases } from '../../conformance/run-conformance.ts';
import type { ConformanceOptions } from '../cli/conformance.ts';
import { runLocal } from './local.ts';
import { untilAbandoned } from './launcher.ts';
import { processLog } from './process-log.ts';
import { untilInterrupted } from './signals.ts';

/** `weft conformance`: judges a mesh, here or anywhere. Resolves with 1 when a check failed. */
export async function conformance(options: ConformanceOptions): Promise<number> {
  if (options.list) {
    for (const { id, group, title } of selectCases(options.filter))
      console.log(`${id.padEnd(8)} ${group.padEnd(24)} ${title}`);
    return 0;
  }
  if (options.local === (options.kubeconfig !== undefined)) {
    console.error('weft conformance: say which mesh to judge, with either --local or --kubeconfig FILE');
    return 2;
  }
  const signal = AbortSignal.any([untilInterrupted(), untilAbandoned()]);
  try {
    const described = readCapabilities(options.capabilities ?? WEFT_CAPABILITIES);
    const capabilities = options.stable === undefined ? described : { ...described, stableSeconds: options.stable };
    const report =
      options.kubeconfig === undefined
        ? await judgeLocal(options, capabilities, signal)
        : await judge(options, options.kubeconfig, capabilities, signal);
    console.log(textReport(report));
    return report.failed > 0 ? 1 : 0;
  } catch (error) {
    console.error(`weft conformance: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  }
}

/** Starts a mesh on this machine, judges it, and takes it down. */
async function judgeLocal(
  options: ConformanceOptions,
  capabilities: Capabilities,
  signal: AbortSignal,
): Promise<Report> {
  let report: Report | undefined;
  const local = { demo: false, isolation: options.isolation, policy: 'permissive', logLevel: 'error' } as const;
  await runLocal(
    local,
    processLog('error', 'local'),
    async (mesh, stop) => {
      // In local mode nothing but a sidecar knows cluster IPs; without namespaces nothing is captured either.
      const has = { ...capabilities.has, capture: mesh.isolation === 'netns', clusterIP: false };
      console.log(`judging a mesh on this machine, ${mesh.isolationReason}`);
      const controls: Controls = {
        controlPlane: mesh.controller,
        restartProxy: (namespace, pod) => mesh.runtime.crashSidecar(namespace, pod),
      };
      report = await judge(options, mesh.kubeconfig, { ...capabilities, has }, stop, controls);
    },
    signal,
  );
  if (report === undefined) throw new Error('stopped before there was a result');
  return report;
}

function judge(
  { image, filter, junit, yaml, html, parallel }: ConformanceOptions,
  kubeconfig: string,
  capabilities: Capabilities,
  signal: AbortSignal,
  controls?: Controls,
): Promise<Report> {
  return runConformance({
    kubeconfig: readFileSync(kubeconfig, 'utf8'),
    capabilities,
    ...(controls === undefined ? {} : { controls }),
    ...(image === undefined ? {} : { image }),
    ...(filter === undefined ? {} : { filter }),
    ...(junit === undefined ? {} : { junit }),
    ...(yaml === undefined ? {} : { yaml }),
    ...(html === undefined ? {} : { html }),
    parallel,
    log: (line) => console.log(line),
    signal,
  });
}
