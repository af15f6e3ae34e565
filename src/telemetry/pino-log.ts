import { createRequire } from 'node:module';
import type * as Log from 'pino';
import type { DestinationStream, Logger as Pino } from 'pino';
import type { LogFields, Logger } from '../base/log.ts';

const require = createRequire(import.meta.url);

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly level: LogLevel;
  /** Fields of every line: which process this is. */
  readonly fields?: LogFields;
  /** Where lines go; standard error when absent. */
  readonly destination?: DestinationStream;
}

/** Longest text of one field. What strangers send (paths, header values) ends up here. */
const MAX_TEXT = 1024;
/** Lists and objects are cut at this many entries, and at this depth. */
const MAX_ENTRIES = 32;
const MAX_DEPTH = 4;
/** What pino writes itself: a field of the same name would make a line with the key twice. */
const RESERVED: ReadonlySet<string> = new Set(['level', 'time', 'msg']);

/** From the least severe on. */
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/**
 * JSON lines. What strangers send can neither end a line, nor move a terminal's cursor, nor flood a line: control
 * characters are escaped, long texts and large values are cut. Pino is loaded with the first line: a sidecar in whose life nothing
 * is worth one need not have it.
 */
export function pinoLog(options: LogOptions): Logger {
  return log(options.level, () => open(options));
}

function open({ level, fields = {}, destination }: LogOptions): Pino {
  const { pino } = require('pino') as typeof Log;
  const out = destination ?? pino.destination({ fd: 2, sync: true });
  const options = {
    level,
    base: capped(fields),
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, { write: (line: string) => out.write(escaped(line)) });
}

/** @param least the least severe level that is written */
function log(least: LogLevel, make: () => Pino): Logger {
  let made: Pino | undefined;
  const line = (level: LogLevel) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return () => {};
    return (message: string, fields?: LogFields) => (made ??= make())[level](capped(fields), message);
  };
  return {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    with: (fields) => log(least, () => (made ??= make()).child(capped(fields))),
  };
}

/** JSON escapes C0; terminals also obey DEL and C1 (U+009B begins a command), and U+2028 ends a line for some readers. */
function escaped(line: string): string {
  return line.replace(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (c) => {
    return `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

function capped(fields: LogFields = {}): Record<string, unknown> {
  const entries = Object.entries(fields).map(([key, value]) => [RESERVED.has(key) ? `${key}_` : key, cap(value, 0)]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

function cap(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return text(value.message);
  if (value instanceof Date) return value;
  if (depth >= MAX_DEPTH) return '...';
  if (Array.isArray(value)) return list(value, depth);
  if (value instanceof Set) return list([...(value as Set<unknown>)], depth);
  const entries = value instanceof Map ? [...(value as Map<unknown, unknown>)] : Object.entries(value);
  const kept = entries.slice(0, MAX_ENTRIES).map(([k, v]) => [text(String(k)), cap(v, depth + 1)]);
  if (entries.length > MAX_ENTRIES) kept.push(['...', `${entries.length} entries`]);
  return Object.fromEntries(kept);
}

function list(values: readonly unknown[], depth: number): unknown[] {
  const kept = values.slice(0, MAX_ENTRIES).map((v) => cap(v, depth + 1));
  return values.length > MAX_ENTRIES ? [...kept, `... (${values.length} entries)`] : kept;
}

function text(value: string): string {
  return value.length <= MAX_TEXT ? value : `${value.slice(0, MAX_TEXT)}... (${value.length} characters)`;
}
