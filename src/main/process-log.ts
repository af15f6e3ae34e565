import type { Logger } from '../base/log.ts';
import { pinoLog, type LogLevel } from '../telemetry/pino-log.ts';

/** The log of this process, on standard error. */
export function processLog(level: string, process: string): Logger {
  return pinoLog({ level: level as LogLevel, fields: { process } }); // the command line admits the four levels only
}
