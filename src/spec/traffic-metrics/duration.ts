const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const DURATION = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

const DEFAULT_MS = 30_000;
const MIN_MS = 1_000;
const MAX_MS = 3_600_000;

/** A Go duration such as `30s` or `1m0s` in milliseconds; undefined when the text is none. */
export function parseGoDuration(text: string): number | undefined {
  if (text.length > 64 || !DURATION.test(text)) return undefined;
  let ms = 0;
  for (const [, number = '', unit = ''] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    ms += Number(number) * (UNITS_MS[unit] ?? 0);
  }
  return text.startsWith('-') ? -ms : ms;
}

/** Milliseconds as Go prints a duration: `30s`, `1m0s`, `1h0m0s`, `1.5s`. */
export function formatGoDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? '0s' : `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = Math.round(ms % 60_000) / 1000;
  const long = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : '';
  return `${long}${seconds}s`;
}

/**
 * The window that a question asks for, by `t` as the reference server has it or by `window`, brought into 1 s to 1 h; 30 s
 * when neither is given (`smi.md` M3).
 * @returns undefined when the text is no duration, or a negative one: a reply of 400
 */
export function windowOf(t: string | undefined, window: string | undefined): number | undefined {
  const asked = t ?? window;
  if (asked === undefined || asked === '') return DEFAULT_MS;
  const ms = parseGoDuration(asked);
  if (ms === undefined || ms < 0) return undefined;
  // whole seconds, as the counters are scraped
  return Math.min(MAX_MS, Math.max(MIN_MS, Math.round(ms / 1000) * 1000));
}
