import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { MEMORY_SIZES, returnMemory, takeMemory } from '../../../src/proxy/codec/memory.ts';
import { OutBuffer, tell } from '../../../src/proxy/codec/out-buffer.ts';
import { securedTo, socketTo, ticks, turn } from './written-socket.ts';

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
      while (socket.writableLength > piece.length) socket.progress();
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
