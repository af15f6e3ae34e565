import { pino, type DestinationStream, type Logger as Pino } from 'pino';
import type { LogFields, Logger } from '../base/log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogOptions {
  readonly level: LogLevel;
  /** Fields of every line: which process this is. */
  readonly fields?: LogFields;
  /** Where lines go; standard error when absent. */
  readonly destination?: DestinationStream;
}

/** Longest text of one field. What strangers send (paths, header values) ends up here. */
const MAX_FIELD = 1024;

/** JSON lines. Control characters are escaped by JSON; long texts are cut, so that nobody can flood a line. */
export function pinoLog({
  level,
  fields = {},
  destination = pino.destination({ fd: 2, sync: true }),
}: LogOptions): Logger {
  const options = {
    level,
    base: { ...fields },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return wrap(pino(options, destination));
}

function wrap(log: Pino): Logger {
  return {
    debug: (message, fields) => log.debug(capped(fields), message),
    info: (message, fields) => log.info(capped(fields), message),
    warn: (message, fields) => log.warn(capped(fields), message),
    error: (message, fields) => log.error(capped(fields), message),
    with: (fields) => wrap(log.child(capped(fields))),
  };
}

function capped(fields: LogFields = {}): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    const text = value instanceof Error ? value.message : value;
    out[key] =
      typeof text === 'string' && text.length > MAX_FIELD
        ? `${text.slice(0, MAX_FIELD)}... (${text.length} characters)`
        : text;
  }
  return out;
}
