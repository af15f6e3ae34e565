import type { Socket } from 'node:net';
import * as h2 from '../load/http2-wire.ts';

const HEAD: h2.HeaderList = { fixed: [8], fields: [['content-type', 'application/grpc']] }; // 200
const TRAILERS: h2.HeaderList = { fixed: [], fields: [['grpc-status', '0']] };

/** Sends back each message as it comes, ends a call when its caller does. Never looks at what is asked. */
export function echoGrpc(socket: Socket): void {
  const out = new h2.TurnWriter((bytes) => socket.write(bytes));
  const encoder = new h2.HeaderEncoder();
  const answered = new Set<number>();
  let unacknowledged = 0;
  const answer = (id: number) => {
    answered.add(id);
    out.send(h2.frame(h2.HEADERS, h2.END_HEADERS, id, encoder.encode(HEAD)));
  };
  const end = (id: number) => {
    if (!answered.has(id)) answer(id);
    answered.delete(id);
    out.send(h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, id, encoder.encode(TRAILERS)));
  };
  const reader = new h2.FrameReader((type, flags, id, bytes, from, to) => {
    switch (type) {
      case h2.DATA:
        if (!answered.has(id)) answer(id);
        out.send(h2.frame(h2.DATA, 0, id, bytes.subarray(from, to)));
        unacknowledged += to - from;
        if (unacknowledged > h2.WINDOW / 2) {
          out.send(h2.windowUpdate(unacknowledged));
          unacknowledged = 0;
        }
        if ((flags & h2.END_STREAM) !== 0) end(id);
        return;
      case h2.HEADERS:
        if ((flags & h2.END_STREAM) !== 0) end(id);
        return;
      case h2.RST_STREAM:
        return void answered.delete(id);
      case h2.SETTINGS:
        if ((flags & h2.ACK) !== 0) return;
        encoder.tableAllowed = h2.allowsTable(bytes.subarray(from, to));
        return out.send(h2.frame(h2.SETTINGS, h2.ACK, 0, Buffer.alloc(0)));
      case h2.PING:
        if ((flags & h2.ACK) === 0) out.send(h2.frame(h2.PING, h2.ACK, 0, bytes.subarray(from, to)));
        return;
    }
  });
  out.send(h2.hello());
  let preface = h2.PREFACE.length;
  socket.on('data', (chunk) => {
    const skipped = Math.min(preface, chunk.length);
    preface -= skipped;
    reader.read(skipped === 0 ? chunk : chunk.subarray(skipped));
  });
}
