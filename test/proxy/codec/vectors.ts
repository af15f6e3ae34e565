import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { duplexPair, type Duplex } from 'node:stream';

/** One byte string with its verdict; `vectors/format.md` says how they are written. */
export interface Vector {
  readonly name: string;
  readonly options: ReadonlySet<string>;
  readonly bytes: Buffer;
  readonly expected: readonly string[];
}

/** Reads a file of `vectors/`. */
export function readVectors(file: string): Vector[] {
  const text = readFileSync(join(import.meta.dirname, 'vectors', file), 'utf8');
  return text
    .split(/^= /m)
    .slice(1)
    .map((block) => {
      const [name = '', ...lines] = block.split('\n');
      const of = (mark: string): string[] => lines.filter((l) => l.startsWith(`${mark} `)).map((l) => l.slice(2));
      return {
        name,
        options: new Set(of('!')),
        bytes: Buffer.from(unescape(of('>').join('')), 'latin1'),
        expected: of(':'),
      };
    });
}

/** Bytes (latin1) that are written with the escapes of `vectors/format.md`. */
export function unescape(text: string): string {
  return text
    .replace(/\\\{(\d+)\*([^}]*)\}/g, (_, n: string, part: string) => part.repeat(Number(n)))
    .replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, c: string) =>
      hex === undefined ? ({ r: '\r', n: '\n', t: '\t', '0': '\0' }[c] ?? c) : String.fromCharCode(parseInt(hex, 16)),
    );
}

/** Latin1 bytes as the vectors write them. */
export function escape(text: string): string {
  return text.replace(/[\\\r\n\t\0-\x1f\x7f-\xff]/g, (c) => {
    const short = { '\\': '\\\\', '\r': '\\r', '\n': '\\n', '\t': '\\t', '\0': '\\0' }[c];
    return short ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

/** The ways in which a byte string is cut: whole, byte by byte, in two at every position (of long ones, at many). */
export function cuts(bytes: Buffer): Buffer[][] {
  const all: Buffer[][] = [[bytes], Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))];
  for (let i = 1; i < bytes.length; i++) {
    const dense = bytes.length <= 600 || i < 120 || i > bytes.length - 120 || i % 97 === 0;
    if (dense) all.push([bytes.subarray(0, i), bytes.subarray(i)]);
  }
  return all;
}

/** Two ends of a wire in memory; the first stands for the socket that a codec takes over. */
export function wire(): { codec: Socket; peer: Duplex } {
  const [codec, peer] = duplexPair();
  const socket = Object.assign(codec, { resetAndDestroy: () => codec.destroy() }) as unknown as Socket;
  peer.on('error', () => {});
  return { codec: socket, peer };
}

/** Lets everything that is under way arrive. */
export async function quiet(turns = 6): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}
