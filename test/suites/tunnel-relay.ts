import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import * as h2 from '../../src/proxy/codec/http2-frames.ts';
import type { Place } from './pair.ts';

/**
 * Lets a tool that knows nothing of the mesh hop talk to a tunnel listener: its bytes go into mutual TLS, and each request
 * gets the field that says what the stream is for. Everything else, broken or not, passes as it is.
 * @returns the plain port of this end
 */
export async function tunnelRelay(context: Place, tunnelPort: number, destination: string): Promise<number> {
  const pem = (name: string) => readFileSync(join(context.dir, name));
  const credentials = { cert: pem('a.pem'), key: pem('a.key'), ca: pem('ca.pem') };
  const field = literal('x-weft-destination', destination);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (plain: Socket) => {
    const secured = connect({
      ...credentials,
      port: tunnelPort,
      host: '127.0.0.1',
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.3',
      checkServerIdentity: () => undefined, // the name in the certificate is a SPIFFE ID
    });
    const frames = new FieldAdder(field);
    plain.on('data', (bytes: Buffer) => void (secured.write(frames.take(bytes)) || plain.pause()));
    secured.on('drain', () => plain.resume());
    plain.on('drain', () => secured.resume());
    plain.on('end', () => secured.end());
    plain.on('error', () => secured.destroy());
    plain.on('close', () => secured.destroy());
    secured.on('data', (bytes: Buffer) => void (plain.write(bytes) || secured.pause()));
    secured.on('end', () => plain.end());
    secured.on('error', () => plain.destroy());
    secured.on('close', () => plain.end());
  });
  server.listen(0, '127.0.0.1');
  await new Promise((listening) => server.once('listening', listening));
  context.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** RFC 7541 6.2.2: a literal field that is not indexed, so that neither end's table changes. */
function literal(name: string, value: string): Buffer {
  const text = (s: string) => Buffer.concat([Buffer.from([s.length]), Buffer.from(s, 'latin1')]);
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

/** Adds one encoded field to the end of every header block of a stream of frames. */
class FieldAdder {
  readonly #field: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #started = false;
  /** What comes is no HTTP/2 any more. */
  #raw = false;

  constructor(field: Buffer) {
    this.#field = field;
  }

  take(bytes: Buffer): Buffer {
    if (this.#raw) return bytes;
    this.#held = Buffer.concat([this.#held, bytes]);
    const out: Buffer[] = [];
    if (!this.#started) {
      const n = Math.min(this.#held.length, h2.PREFACE.length);
      if (this.#held.compare(h2.PREFACE, 0, n, 0, n) !== 0) return this.#giveUp(out);
      if (n < h2.PREFACE.length) return Buffer.alloc(0);
      this.#started = true;
      out.push(this.#cut(n));
    }
    while (this.#held.length >= h2.FRAME_HEADER_BYTES) {
      const length = this.#held.readUIntBE(0, 3);
      if (length > h2.MAX_FRAME_BYTES) return this.#giveUp(out);
      if (this.#held.length < h2.FRAME_HEADER_BYTES + length) break;
      out.push(...this.#frame(this.#cut(h2.FRAME_HEADER_BYTES + length)));
    }
    return Buffer.concat(out);
  }

  #frame(frame: Buffer): Buffer[] {
    const [type, flags] = [frame[3]!, frame[4]!];
    const block = (type === h2.HEADERS || type === h2.CONTINUATION) && (flags & h2.END_HEADERS) !== 0;
    const bytes = frame.length + this.#field.length;
    if (!block || bytes - h2.FRAME_HEADER_BYTES > h2.MAX_FRAME_BYTES) return [frame];
    const padding = type === h2.HEADERS && (flags & h2.PADDED) !== 0 ? frame[h2.FRAME_HEADER_BYTES]! : 0;
    const end = frame.length - padding;
    if (end <= h2.FRAME_HEADER_BYTES) return [frame]; // more padding than frame: an offence, which is not ours to mend
    frame.writeUIntBE(bytes - h2.FRAME_HEADER_BYTES, 0, 3);
    return [frame.subarray(0, end), this.#field, frame.subarray(end)];
  }

  #cut(n: number): Buffer {
    const bytes = this.#held.subarray(0, n);
    this.#held = this.#held.subarray(n);
    return bytes;
  }

  #giveUp(out: Buffer[]): Buffer {
    this.#raw = true;
    return Buffer.concat([...out, this.#cut(this.#held.length)]);
  }
}
