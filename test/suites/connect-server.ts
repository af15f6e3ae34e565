import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { end } from '../bench/processes.ts';
import { startPair } from './pair.ts';

// connect-server.ts PROGRAM: a conformance server as connectconformance starts them. Its program gets what stands on our
// standard input, and the address that it reports is replaced by that of a pair in front of it. Ends by SIGTERM.
const [program = ''] = process.argv.slice(2);
const HOST = 1;
const PORT = 2;

const cleanups: (() => unknown)[] = [];
const dir = mkdtempSync(join(tmpdir(), 'weft-suite-connect-'));

async function main(): Promise<void> {
  const child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
  cleanups.push(() => end(child));
  process.stdin.pipe(child.stdin);
  const response = await message(child.stdout);
  const appPort = portIn(response);
  const context = { dir, after: (cleanup: () => unknown) => void cleanups.push(cleanup) };
  const { port } = await startPair(context, { appPort, mode: 'permissive' });
  const answer = withAddress(response, port);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(answer.length);
  process.stdout.write(Buffer.concat([length, answer]));
}

/** A message behind its length of four bytes. */
async function message(stream: NodeJS.ReadableStream): Promise<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of stream) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    if (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0))
      return bytes.subarray(4, 4 + bytes.readUInt32BE(0));
  }
  throw new Error(`${program} has not said where it listens`);
}

/** A protobuf field: its number, and where it and its value lie. Only varints and byte strings occur here. */
interface Field {
  readonly number: number;
  readonly start: number;
  readonly end: number;
  readonly value: number;
}

function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length;) {
    const start = at;
    const [tag, behindTag] = varint(bytes, at);
    const [value, behind] = varint(bytes, behindTag);
    at = (tag & 7) === 2 ? behind + value : behind;
    fields.push({ number: tag >> 3, start, end: at, value });
  }
  return fields;
}

function varint(bytes: Buffer, from: number): [number, number] {
  let value = 0;
  for (let at = from, shift = 0; ; at++, shift += 7) {
    value |= (bytes[at]! & 0x7f) << shift;
    if (bytes[at]! < 0x80) return [value, at + 1];
  }
}

function portIn(response: Buffer): number {
  return fieldsOf(response).find((field) => field.number === PORT)?.value ?? 0;
}

/** The same response, certificate and all, with our address. */
function withAddress(response: Buffer, port: number): Buffer {
  const others = fieldsOf(response).filter(({ number }) => number !== HOST && number !== PORT);
  const host = Buffer.from('127.0.0.1');
  const address = Buffer.from([
    (HOST << 3) | 2,
    host.length,
    ...host,
    PORT << 3,
    (port & 0x7f) | 0x80,
    ((port >> 7) & 0x7f) | 0x80,
    port >> 14,
  ]);
  return Buffer.concat([address, ...others.map(({ start, end: to }) => response.subarray(start, to))]);
}

async function stop(): Promise<void> {
  for (const cleanup of cleanups.reverse()) await cleanup();
  rmSync(dir, { recursive: true, force: true });
  process.exit();
}

process.on('SIGTERM', () => void stop());
main().catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
  return stop();
});
