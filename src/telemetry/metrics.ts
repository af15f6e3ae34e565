import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Reading } from '../base/metrics.ts';
import { copiedMetric } from './copied-metric.ts';

/** The metrics of one process, with those of Node itself (memory, event loop, garbage collection). */
export interface ProcessMetrics {
  readonly registry: Registry;
  readonly contentType: string;
  /** Prometheus text format. */
  text(): Promise<string>;
}

/** Exposes numbers that other rooms keep. */
export function registerReadings(registry: Registry, readings: readonly Reading[]): void {
  for (const { name, help, type, read } of readings) registry.registerMetric(copiedMetric(name, help, type, read));
}

export function processMetrics(): ProcessMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return { registry, contentType: registry.contentType, text: () => registry.metrics() };
}
