import { constants, createDeflate, createInflate } from 'node:zlib';

// SPDY/3.1 2.6.10.1: words with their lengths before them, then text without.
const WORDS =
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200 OK version HTTP/1.1 url public set-cookie keep-alive origin';
const TAIL =
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';

/** The words whose one string has a space in it. */
function dictionary(): Buffer {
  const words = WORDS.replace('200 OK', '200_OK')
    .split(' ')
    .map((w) => w.replace('_', ' '));
  return Buffer.concat([...words.map(sized), Buffer.from(TAIL)]);
}

function sized(text: string): Buffer {
  const out = Buffer.alloc(4 + Buffer.byteLength(text));
  out.writeUInt32BE(out.length - 4);
  out.write(text, 4);
  return out;
}

/** Those of kubectl have a few hundred bytes. */
const MAX_HEADER_BYTES = 64 * 1024;

export interface HeaderCodec {
  /** Blocks have to be read in the order in which they came: each builds on the one before. Rejects what is none, or too long. */
  read(block: Buffer): Promise<ReadonlyMap<string, string>>;
  write(headers: Readonly<Record<string, string>>): Promise<Buffer>;
}

/** The header compression of one SPDY/3.1 connection. */
export function spdyHeaders(): HeaderCodec {
  const inflate = createInflate({ dictionary: dictionary(), finishFlush: constants.Z_SYNC_FLUSH });
  const deflate = createDeflate({ dictionary: dictionary() });
  let inflated: Buffer[] = [];
  let bytes = 0;
  inflate.on('data', (part: Buffer) => {
    inflated.push(part);
    bytes += part.length;
    if (bytes > MAX_HEADER_BYTES) inflate.destroy();
  });
  return {
    read: (block) =>
      new Promise((resolve, reject) => {
        inflated = [];
        bytes = 0;
        inflate.once('error', reject);
        inflate.write(block, () => {
          inflate.off('error', reject);
          if (bytes > MAX_HEADER_BYTES) return reject(new Error('SPDY headers are larger than 64 KiB'));
          try {
            resolve(parse(Buffer.concat(inflated)));
          } catch (cause) {
            reject(new Error('SPDY headers are cut off', { cause }));
          }
        });
      }),
    write: (headers) =>
      new Promise((resolve, reject) => {
        deflate.once('error', reject);
        deflate.write(print(headers), () => {
          deflate.flush(constants.Z_SYNC_FLUSH, () => {
            deflate.off('error', reject);
            resolve((deflate.read() as Buffer | null) ?? Buffer.alloc(0));
          });
        });
      }),
  };
}

function parse(block: Buffer): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  let at = 4;
  const text = (): string => {
    const end = at + 4 + block.readUInt32BE(at);
    const value = block.toString('utf8', at + 4, end);
    at = end;
    return value;
  };
  const count = block.length < 4 ? 0 : block.readUInt32BE(0);
  for (let i = 0; i < count; i++) {
    const name = text();
    headers.set(name.toLowerCase(), text());
  }
  return headers;
}

function print(headers: Readonly<Record<string, string>>): Buffer {
  const entries = Object.entries(headers);
  const count = Buffer.alloc(4);
  count.writeUInt32BE(entries.length);
  return Buffer.concat([count, ...entries.flatMap(([name, value]) => [sized(name), sized(value)])]);
}
