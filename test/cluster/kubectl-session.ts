import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Step } from './kubectl-session-steps.ts';

/** What one command did. */
export interface Outcome {
  readonly step: Step;
  readonly code: number;
  readonly output: string;
}

const SETTLE_TRIES = 30;

/** Whether a command succeeded or failed as its step says. */
export function endsAsItHasTo(step: Step, code: number): boolean {
  return (code !== 0) === (step.fails === true);
}

/** Splits a command line at blanks. */
function words(line: string): string[] {
  return line.split(' ').filter((w) => w !== '');
}

/** Runs all steps against one server, one after the other, with a discovery cache of its own. */
export async function runSession(kubectl: string, kubeconfig: string, steps: readonly Step[]): Promise<Outcome[]> {
  const cache = await mkdtemp(join(tmpdir(), 'weft-kubectl-'));
  try {
    const outcomes: Outcome[] = [];
    for (const step of steps) {
      const args = ['--kubeconfig', kubeconfig, '--cache-dir', cache, ...words(step.run)];
      let outcome = await command(kubectl, args, step.stdin ?? '');
      for (
        let tries = 1;
        step.settles === true && !endsAsItHasTo(step, outcome.code) && tries < SETTLE_TRIES;
        tries++
      ) {
        await setTimeout(1000);
        outcome = await command(kubectl, args, step.stdin ?? '');
      }
      outcomes.push({ step, ...outcome });
    }
    return outcomes;
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

function command(file: string, args: readonly string[], stdin: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'pipe', timeout: 120_000 });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, output: out + err }));
    child.stdin.on('error', () => undefined); // a command that reads no input may be gone before it was written
    child.stdin.end(stdin);
  });
}

/** What two servers should agree on about an outcome. */
export function comparable({ step, code, output }: Outcome): string {
  const end = code === 0 ? 'ok' : 'failed';
  switch (step.compare ?? 'text') {
    case 'code':
      return end;
    case 'fields':
      return code === 0
        ? `${end}\n${fieldPaths(JSON.parse(output), '').sort().join('\n')}`
        : `${end}\n${normalised(output)}`;
    default:
      return `${end}\n${normalised(output)}`;
  }
}

/** Paths of all fields; items of lists count as one, names of annotations and labels as they are. */
function fieldPaths(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return [...new Set((value as unknown[]).flatMap((item) => fieldPaths(item, `${path}[]`)))];
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value)
    .flatMap(([key, member]) => [`${path}.${key}`, ...fieldPaths(member, `${path}.${key}`)])
    .filter(unique);
}

function unique(path: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(path) === index;
}

/** Text without what differs from run to run: times, addresses, identifiers, made-up names, the width of columns. */
export function normalised(text: string): string {
  return text
    .replaceAll(/\x1b\[[0-9;]*m/g, '')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, 'UID')
    .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\b/g, 'TIME')
    .replaceAll(/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\b/g, 'TIME')
    .replaceAll(/\b10\.\d+\.\d+\.\d+\b/g, 'IP')
    .replaceAll(/\b(\d+d)?(\d+h)?(\d+m)?\d+s\b/g, 'AGE')
    .replaceAll(/pod-template-hash=\w+/g, 'POD-TEMPLATE-HASH')
    .replaceAll(/-(?=[a-z]*\d)[a-z0-9]{8,10}\b/g, '-HASH')
    .split('\n')
    .filter((line) => !/^(WARNING: version difference|E\d{4} |I\d{4} )/.test(line))
    .map((line) => line.replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '')
    .join('\n');
}

/** A difference between two servers. */
export interface Difference {
  readonly index: number;
  readonly run: string;
  readonly embedded: string;
  readonly real: string;
}

/** Where two transcripts of the same steps differ. */
export function differences(embedded: readonly Outcome[], real: readonly Outcome[]): Difference[] {
  return embedded.flatMap((outcome, index) => {
    const other = real[index];
    const [a, b] = [comparable(outcome), other === undefined ? 'not run' : comparable(other)];
    return a === b ? [] : [{ index, run: outcome.step.run, embedded: a, real: b }];
  });
}
