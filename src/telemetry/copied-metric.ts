import type { Metric } from 'prom-client';

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Differs from the family's name for the parts of a histogram. */
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

/**
 * A metric of prom-client whose values are copied when they are asked for, instead of counted a second time: an
 * increment there costs some 230 ns, and its histograms cannot be set at all.
 */
export function copiedMetric(
  name: string,
  help: string,
  type: 'counter' | 'gauge' | 'histogram',
  samples: () => readonly Sample[],
): Metric {
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: samples() }),
    reset() {},
  };
  return metric as unknown as Metric; // all that Registry uses of one
}
