import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { BodyWriter } from '../../../src/proxy/codec/body-writer.ts';
import { MEMORY_SIZES, returnMemory, takeMemory } from '../../../src/proxy/codec/memory.ts';
import { OutBuffer, tell } from '../../../src/proxy/codec/out-buffer.ts';
import { portOf } from './forwarder.ts';

/** A socket whose peer reads all, and what is written to it, call by call. */
async function socketTo(t: TestContext): Promise<{ socket: Socket; writes: string[] }> {
  const server = createServer((peer) => peer.resume());
  return written(t, server, (port) => connect(port, '127.0.0.1'), 'connect');
}

/** The same, encrypted. */
async function securedTo(t: TestContext): Promise<{ socket: Socket; writes: string[] }> {
  const psk = Buffer.alloc(16, 7);
  const shared = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const;
  const server = tls.createServer({ ...shared, pskCallback: () => psk }, (peer) => peer.resume());
  const dial = (port: number) =>
    tls.connect({ ...shared, port, pskCallback: () => ({ psk, identity: 'x' }), checkServerIdentity: () => undefined });
  return written(t, server, dial, 'secureConnect');
}

async function written(t: TestContext, server: Server, dial: (port: number) => Socket, ready: string) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = dial(portOf(server));
  t.after(() => {
    socket.destroy();
    server.close();
  });
  await once(socket, ready);
  const writes: string[] = [];
  const write = socket.write.bind(socket);
  socket.write = (bytes: string | Uint8Array) => {
    writes.push(bytes.toString());
    return write(bytes);
  };
  return { socket, writes };
}

const ticks = () => new Promise<void>((resolve) => process.nextTick(() => process.nextTick(resolve)));
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('out buffer: a head without a body leaves behind the callback that wrote it', async (t) => {
  const { socket, writes } = await socketTo(t);
  const out = new OutBuffer(socket, () => {});
  out.push('head ');
  new BodyWriter(out).start(0);
  await ticks();
  assert.deepEqual(writes, ['head ']);
});

test('out buffer: what is said to what was read leaves behind that, even if it has failed', async (t) => {
  const { socket, writes } = await socketTo(t);
  const out = new OutBuffer(socket, () => {});
  const seen = Buffer.from('x');
  tell(() => out.push('one'), seen);
  assert.deepEqual(writes, ['one']);
  const failing = () => {
    out.push('two');
    throw new Error('a bug');
  };
  assert.throws(() => tell(failing, seen), /a bug/);
  assert.deepEqual(writes, ['one', 'two']);
  out.push('three');
  await ticks();
  assert.deepEqual(writes, ['one', 'two', 'three']);
});

test('out buffer: what is encrypted waits for others of its turn, until no others came for a while', async (t) => {
  const { socket, writes } = await securedTo(t);
  const out = new OutBuffer(socket, () => {}, true);
  const say = (text: string) => tell(() => out.push(text), Buffer.from('x'));
  /** @returns how often was written behind a callback, and how often at the end of the turn */
  const turnWith = async (...texts: string[]) => {
    for (const text of texts) say(text);
    const behind = writes.length;
    await turn();
    await turn();
    const late = writes.length - behind;
    assert.equal(writes.splice(0).join(''), texts.join(''));
    return [behind, late];
  };
  for (let i = 0; i < 4; i++) assert.deepEqual(await turnWith('alone'), [0, 1], `turn ${i}`);
  assert.deepEqual(await turnWith('alone'), [1, 0]);
  assert.deepEqual(await turnWith('alone'), [1, 0]);
  assert.deepEqual(await turnWith('first', 'second'), [1, 1], 'nobody could know');
  assert.deepEqual(await turnWith('alone'), [0, 1], 'now more are expected');
  assert.deepEqual(await turnWith('first', 'second'), [0, 1]);
});

test('out buffer: the pieces of a body that come in one turn leave in one write', async (t) => {
  const { socket, writes } = await socketTo(t);
  const out = new OutBuffer(socket, () => {});
  const body = new BodyWriter(out);
  out.push('head ');
  body.start(12);
  for (const piece of ['one ', 'two ']) {
    body.data(Buffer.from(piece));
    await ticks(); // each piece comes with a callback of its own
  }
  assert.deepEqual(writes, []);
  await turn();
  assert.deepEqual(writes, ['head one two ']);
  body.data(Buffer.from('end.'));
  body.end(undefined);
  await turn();
  assert.deepEqual(writes, ['head one two ', 'end.']);
});

test('out buffer: what is over the mark is given to the socket before anybody has to wait', async (t) => {
  const { socket, writes } = await socketTo(t);
  const out = new OutBuffer(socket, () => {}, true);
  out.push(Buffer.alloc(1000));
  assert.equal(out.fits(1000), true);
  assert.equal(writes.length, 0);
  out.push(Buffer.alloc(1));
  assert.equal(out.fits(1000), true);
  assert.equal(writes.length, 1);
});

test('out buffer: says that it has room even when the socket itself was never over its mark', async (t) => {
  const { socket } = await socketTo(t);
  const mark = socket.writableHighWaterMark;
  let drains = 0;
  let told = -1;
  socket.on('drain', () => drains++);
  const flushed = new Promise<void>((resolve) => {
    const out = new OutBuffer(socket, () => resolve(void (told = out.waiting)), true);
    socket.cork(); // the kernel is slow: what was written stays with the socket
    socket.write(Buffer.alloc(mark - 1000));
    out.push(Buffer.alloc(2000));
    assert.ok(out.waiting > mark, 'over the mark together');
    socket.uncork();
  });
  await flushed;
  assert.ok(told >= 0 && told < mark, `${told} bytes wait`);
  assert.equal(drains, 0, 'nobody else would have told');
});

/** What a chunked body says, and in how many chunks. */
function dechunked(text: string): { body: string; chunks: number } {
  let [at, chunks, body] = [0, 0, ''];
  for (;;) {
    const line = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, line), 16);
    assert.match(text.slice(at, line), /^(0|[1-9a-f][0-9a-f]*)$/);
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
    assert.equal(text.slice(at - 2, at), '\r\n');
    if (size === 0) return { body, chunks };
    chunks++;
  }
}

test('out buffer: small chunks of one turn are one chunk', async (t) => {
  const { socket, writes } = await socketTo(t);
  const body = new BodyWriter(new OutBuffer(socket, () => {}));
  body.start(-1);
  for (let i = 0; i < 300; i++) body.data(Buffer.from(String(i % 10)));
  await turn();
  for (let i = 0; i < 3; i++) body.data(Buffer.from('x'));
  body.data(Buffer.alloc(1000, 'y'));
  body.data(Buffer.from('z'));
  body.end(undefined);
  await turn();
  const { body: said, chunks } = dechunked(writes.join(''));
  assert.equal(said, `${'0123456789'.repeat(30)}xxx${'y'.repeat(1000)}z`);
  assert.equal(chunks, 4);
});

test('out buffer: what the socket still has to write is not joined', async (t) => {
  const { socket, writes } = await socketTo(t);
  const body = new BodyWriter(new OutBuffer(socket, () => {}));
  body.start(-1);
  socket.cork();
  body.data(Buffer.from('x'));
  await turn();
  body.data(Buffer.from('y'));
  await turn();
  assert.deepEqual(writes, ['1\r\nx\r\n', '1\r\ny\r\n']);
});

test('out buffer: a chunked body is what was written, however its pieces and turns fall', async (t) => {
  const pieces = fc.array(fc.oneof(fc.nat(20), fc.nat(200), fc.nat(9000), fc.constant('turn' as const)), {
    maxLength: 60,
  });
  await fc.assert(
    fc.asyncProperty(pieces, async (pieces) => {
      const { socket, writes } = await socketTo(t);
      const body = new BodyWriter(new OutBuffer(socket, () => {}));
      let expected = '';
      body.start(-1);
      for (const [i, piece] of pieces.entries()) {
        if (piece === 'turn') await turn();
        else {
          const text = String.fromCharCode(97 + (i % 26)).repeat(piece);
          expected += text;
          body.data(Buffer.from(text));
        }
      }
      body.end(undefined);
      await turn();
      await turn();
      assert.equal(dechunked(writes.join('')).body, expected);
      socket.destroy();
    }),
    { numRuns: 60 },
  );
});

/** A socket that has written when it is told to, and reads what it was given no earlier: whoever has overwritten it by then is found out. */
class SlowSocket extends Duplex {
  written = '';
  #busy: (() => void) | undefined;

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.#busy = () => {
      this.written += bytes.toString('latin1');
      done();
    };
  }

  /** Has written what it was writing. */
  progress(): void {
    const busy = this.#busy;
    this.#busy = undefined;
    busy?.();
  }
}

function slowBuffer(wholeTurn: boolean): { socket: SlowSocket; out: OutBuffer } {
  const socket = new SlowSocket();
  return { socket, out: new OutBuffer(socket as unknown as Socket, () => {}, wholeTurn) };
}

for (const [what, piece] of Object.entries({ bytes: Buffer.alloc(3000, 'x'), text: 'x'.repeat(3000) }))
  test(`out buffer: a stream of ${what} that never lets the socket rest goes round in the same memory`, async (t) => {
    const { socket, out } = slowBuffer(true);
    const allocated = t.mock.method(Buffer, 'allocUnsafeSlow');
    for (let i = 0; i < 1000; i++) {
      out.push(piece);
      await turn();
      if (i > 0) socket.progress();
      assert.ok(socket.writableLength > 0, 'it is never idle');
    }
    const bytes = allocated.mock.calls.reduce((sum, call) => sum + call.arguments[0], 0);
    assert.ok(bytes <= 256 * 1024, `${bytes} bytes were allocated for 3 MB`);
  });

/** Takes what was given back, and writes into it. */
function overwriteFreeMemory(): void {
  const taken = MEMORY_SIZES.flatMap((_, size) => Array.from({ length: 4 }, () => takeMemory(size).fill('!')));
  for (const memory of taken) returnMemory(memory);
}

test('out buffer: what the socket still has to write is not overwritten, whatever it has written before', async () => {
  const step = fc.oneof(
    fc.nat(300),
    fc.nat(9000),
    fc.nat(200_000),
    fc.constantFrom('turn', 'written', 'drop'),
    fc.constant('written'),
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 80 }), async (wholeTurn, steps) => {
      const { socket, out } = slowBuffer(wholeTurn);
      let [flushed, waiting] = ['', ''];
      for (const [i, step] of steps.entries()) {
        overwriteFreeMemory();
        if (step === 'written') socket.progress();
        else if (step === 'drop') {
          out.drop();
          waiting = '';
        } else if (step === 'turn') {
          await turn();
          flushed += waiting;
          waiting = '';
        } else {
          const text = String.fromCharCode(97 + (i % 26)).repeat(step);
          out.push(text.length % 2 === 0 ? text : Buffer.from(text));
          waiting += text;
        }
      }
      await turn();
      while (socket.writableLength > 0) {
        socket.progress();
        overwriteFreeMemory();
      }
      assert.ok(socket.written === flushed + waiting, 'something else was written');
    }),
    { numRuns: 300 },
  );
});
