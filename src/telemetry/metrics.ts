import { collectDefaultMetrics, Registry } from 'prom-client';

/** The metrics of one process, with those of Node itself (memory, event loop, garbage collection). */
export interface ProcessMetrics {
  readonly registry: Registry;
  readonly contentType: string;
  /** Prometheus text format. */
  text(): Promise<string>;
}

export function processMetrics(): ProcessMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return { registry, contentType: registry.contentType, text: () => registry.metrics() };
}
