import type { Duplex } from 'node:stream';
import { PodStreamError, type LogOptions, type PodRef, type PodStreams } from '../pod-streams.ts';
import type { ContainerRunner } from './container.ts';
import { ContainerConfigError } from './config-error.ts';
import { LogReader, type LogFile, type LogLine } from './log-file.ts';
import type { PodRunner } from './pod.ts';

/** Logs, commands and connections of the pods that `find` knows. */
export function podStreams(find: (namespace: string, pod: string) => PodRunner | undefined): PodStreams {
  const pod = ({ namespace, pod: name }: PodRef): PodRunner => {
    const runner = find(namespace, name);
    if (runner === undefined) throw new PodStreamError('NotFound', `pods "${name}" not found`);
    return runner;
  };
  return {
    logs: (options, signal) => logs(pod(options), options, signal),
    async exec(options, signal) {
      const runner = pod(options);
      const container = pick(runner, options.container);
      try {
        return await runner.containers.exec(container, options, signal);
      } catch (error) {
        if (error instanceof ContainerConfigError) throw new PodStreamError('InternalError', error.message);
        throw error;
      }
    },
    async portForward(options, signal): Promise<Duplex> {
      try {
        return await pod(options).forward(options.port, signal);
      } catch (error) {
        if (error instanceof PodStreamError) throw error;
        throw new PodStreamError('InternalError', `port ${options.port}: ${(error as Error).message}`);
      }
    },
  };
}

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

function pick(runner: PodRunner, wanted: string | undefined): ContainerRunner {
  const { name, annotations } = runner.pod.metadata;
  const names = runner.containers.main.map((c) => c.container.name);
  const chosen = wanted ?? annotations?.[DEFAULT_CONTAINER] ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined) {
    const message = `a container name must be specified for pod ${name}, choose one of: [${names.join(' ')}]`;
    throw new PodStreamError('BadRequest', message);
  }
  const found = runner.containers.find(chosen);
  if (found === undefined) throw new PodStreamError('BadRequest', `container ${chosen} is not valid for pod ${name}`);
  return found;
}

async function* logs(runner: PodRunner, options: LogOptions, signal: AbortSignal): AsyncGenerator<Buffer> {
  const container = pick(runner, options.container);
  const { name } = container.container;
  const log = options.previous === true ? container.previousLog : container.log;
  if (log === undefined) {
    if (options.previous === true) {
      const message = `previous terminated container "${name}" in pod "${runner.pod.metadata.name}" not found`;
      throw new PodStreamError('BadRequest', message);
    }
    const reason = container.state.waiting?.reason ?? 'ContainerCreating';
    const message = `container "${name}" in pod "${runner.pod.metadata.name}" is waiting to start: ${reason}`;
    throw new PodStreamError('BadRequest', message);
  }
  let left = options.limitBytes ?? Infinity;
  for await (const line of follow(log, options, signal)) {
    const text = Buffer.from(options.timestamps === true ? `${line.time} ${line.text}` : line.text);
    yield text.length <= left ? text : text.subarray(0, left);
    left -= text.length;
    if (left <= 0) return;
  }
}

/** Lines of a log as they are; then, when following, as they come, until the container has ended. */
async function* follow(log: LogFile, options: LogOptions, signal: AbortSignal): AsyncGenerator<LogLine> {
  const wanted = (line: LogLine) => options.sinceMs === undefined || Date.parse(line.time) >= options.sinceMs;
  let reader: LogReader | undefined;
  try {
    const first: LogLine[] = [];
    for (const file of log.files) {
      reader?.close();
      reader = new LogReader(file);
      for (let lines = reader.next(); lines.length > 0; lines = reader.next()) {
        for (const line of lines) if (wanted(line)) first.push(line);
        if (options.tailLines !== undefined && first.length > 4 * options.tailLines + 1000) {
          first.splice(0, first.length - options.tailLines);
        }
      }
    }
    const { tailLines } = options;
    yield* tailLines === undefined ? first : first.slice(first.length - Math.min(tailLines, first.length));
    if (options.follow !== true) return;
    while (!signal.aborted && reader !== undefined) {
      const closed = log.closed;
      const lines = reader.next();
      yield* lines;
      if (lines.length > 0) continue;
      const newest = new LogReader(log.path);
      if (newest.inode !== reader.inode) {
        reader.close();
        reader = newest; // rotated: the old file has been read to its end
        continue;
      }
      newest.close();
      if (closed) return;
      await written(log, signal);
    }
  } finally {
    reader?.close();
  }
}

function written(log: LogFile, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stop();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const stop = log.subscribe(done);
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted || log.closed) done();
  });
}
