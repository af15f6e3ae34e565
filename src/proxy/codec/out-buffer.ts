import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { MEMORY_SIZES, returnMemory, takeMemory } from './memory.ts';

/** Fewer bytes than this, as most header blocks have, are copied in a loop in less time than `set` takes to begin. */
const LOOP_BYTES = 48;
const LARGEST = MEMORY_SIZES.length - 1;
/**
 * After so many turns with one callback each, more are expected, and what TLS gets is written behind the callback: in the check phase, in
 * which it says that it has written, a write costs another round of the event loop.
 */
const LONELY_TURNS = 4;
const EMPTY = Buffer.alloc(0);

/** Those that write when the running callback is over. One for the event loop: a tick for each of them costs more than the rest. */
const due: OutBuffer[] = [];
/** Whether what was read is being told: what is due then is written behind that. */
let telling = false;
/** So often something was told. */
let told = 0;

/**
 * Tells `receiver` what was read, and then writes what it has had to say. Without a tick of Node's, which costs as much as a small
 * answer takes to be made.
 */
export function tell(receiver: (bytes: Buffer) => void, bytes: Buffer): void {
  const within = telling;
  telling = true;
  told++;
  try {
    receiver(bytes);
  } finally {
    telling = within;
    if (!within) flushDue();
  }
}

/**
 * Gathers what is written to one socket during a turn of the event loop, as copies one behind the other, and writes it at once.
 * The memory goes round: it is used again as soon as the socket has written it. `flush` writes now; otherwise the end of the turn does.
 */
export class OutBuffer {
  protected readonly socket: Socket;
  /** What is written into, and up to where. */
  protected chunk: Buffer = EMPTY;
  protected to = 0;
  /** From here on it waits to be flushed. */
  #from = 0;
  /** Full pieces that wait to be flushed. */
  #parts: Buffer[] = [];
  /** Memory besides `chunk` whose bytes wait here or with the socket, the oldest first. */
  #full: Buffer[] = [];
  /** How many bytes the socket had been given when each of `#full` was flushed; those that were not have no place here yet. */
  #fullUntil: number[] = [];
  /** So many bytes the socket was given since it had nothing to write. */
  #given = 0;
  /** Index of MEMORY_SIZES. */
  #size = 0;
  #bytes = 0;
  #scheduled = false;
  /**
   * Whether to wait for all that is read in this turn: right where many exchanges share the socket, and in the middle of a message, whose
   * pieces come in TLS records of 16 KB, and DATA frames cut by them. Otherwise what one callback has said is written behind it.
   */
  wholeTurn: boolean;
  /** So many turns in a row ended with the callback that had filled this: then the next one need not wait for others. */
  #lonelyTurns = 0;
  /** How often something had been told when this was scheduled. */
  #scheduledAt = 0;
  /** It is written behind the callback although it is to wait for the turn. */
  #atOnce = false;
  readonly #onRoom: () => void;
  readonly #encrypted: boolean;

  /**
   * @param onRoom called after each turn's write, and when the socket has drained: what waited for room here may have it now. The
   * socket's 'drain' alone does not tell: it only comes when the socket itself was over its mark, and not when half of the bytes waited here
   */
  constructor(socket: Socket, onRoom: () => void, wholeTurn = false) {
    this.socket = socket;
    this.#onRoom = onRoom;
    this.wholeTurn = wholeTurn;
    this.#encrypted = socket instanceof TLSSocket;
    socket.on('drain', this.#onDrain);
  }

  readonly #onDrain = (): void => {
    this.#reclaim();
    this.#onRoom();
  };

  /** Lets go of the socket, for whoever has it next. */
  release(): void {
    this.socket.off('drain', this.#onDrain);
  }

  /** Bytes that wait here or in the socket. */
  get waiting(): number {
    return this.#bytes + this.socket.writableLength;
  }

  /** Whether no more than `mark` bytes wait, the socket having been given what it takes. */
  fits(mark: number): boolean {
    if (this.waiting <= mark) return true;
    this.flush();
    return this.waiting <= mark;
  }

  /** Copies `part`, a string as latin1. */
  push(part: string | Buffer): void {
    if (typeof part === 'string') return this.#pushText(part);
    const { length } = part;
    if (this.#bytes === 0) this.#reclaim();
    if (length > this.chunk.length - this.to) this.#pushPieces(part);
    else {
      const { chunk, to } = this;
      if (length > LOOP_BYTES) chunk.set(part, to);
      else for (let i = 0; i < length; i++) chunk[to + i] = part[i]!;
      this.to = to + length;
    }
    this.grew(length);
  }

  #pushText(text: string): void {
    const { length } = text;
    if (length > MEMORY_SIZES[LARGEST]!) return this.push(Buffer.from(text, 'latin1'));
    this.room(length);
    this.chunk.write(text, this.to, 'latin1');
    this.to += length;
    this.grew(length);
  }

  /** Fills the memory to its end and goes on in the next. */
  #pushPieces(part: Buffer): void {
    for (let at = 0; at < part.length;) {
      if (this.to === this.chunk.length) this.#next(1);
      const bytes = Math.min(part.length - at, this.chunk.length - this.to);
      part.copy(this.chunk, this.to, at, at + bytes);
      this.to += bytes;
      at += bytes;
    }
  }

  /** Makes room for so many bytes in one piece. What the socket still has to write is not overwritten. */
  protected room(bytes: number): void {
    if (this.#bytes === 0) this.#reclaim();
    if (this.chunk.length - this.to < bytes) this.#next(bytes);
  }

  #next(bytes: number): void {
    if (this.chunk !== EMPTY) {
      this.#seal();
      this.#full.push(this.chunk);
      if (this.#parts.length === 0) this.#fullIsFlushed();
      this.#giveBackWritten();
      if (this.#size < LARGEST) this.#size++; // by need
    }
    while (MEMORY_SIZES[this.#size]! < bytes) this.#size++;
    this.chunk = takeMemory(this.#size);
    this.#from = this.to = 0;
  }

  /** So many bytes more wait to be written. */
  protected grew(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#scheduled) this.#schedule();
  }

  #schedule(): void {
    this.#scheduled = true;
    this.#scheduledAt = told;
    this.#atOnce = this.#lonelyTurns >= LONELY_TURNS && telling;
    // TLS says in the check phase that it has written: until then something of this turn, or the turn before, is under way
    if (this.#atOnce && this.socket.writableLength > 0) {
      this.#atOnce = false;
      this.#lonelyTurns = 0;
    }
    if (this.wholeTurn && !this.#atOnce) setImmediate(flushScheduled, this);
    else if (due.push(this) === 1 && !telling) process.nextTick(flushDue);
  }

  #seal(): void {
    if (this.to > this.#from) this.#parts.push(this.#cut());
  }

  /** What stands in `chunk` and waits to be flushed. */
  #cut(): Buffer {
    const from = this.#from;
    this.#from = this.to;
    return from === 0 && this.to === this.chunk.length ? this.chunk : this.chunk.subarray(from, this.to);
  }

  flush(): void {
    if (this.#bytes === 0) return;
    this.#bytes = 0;
    const { socket } = this;
    // When it is not writable any more, its error or close event tells who has to know
    if (this.#parts.length > 0) this.#flushParts();
    else {
      const bytes = this.#cut();
      if (socket.writable) this.#give(bytes);
    }
    this.#reclaim();
  }

  #give(bytes: Buffer): void {
    this.#given += bytes.length;
    this.socket.write(bytes);
  }

  #flushParts(): void {
    this.#seal();
    const { socket } = this;
    const parts = this.#parts;
    this.#parts = [];
    if (socket.writable) {
      // TLS would copy what comes corked into one piece; for the kernel that is one call instead of several
      const corked = parts.length > 1 && !this.#encrypted;
      if (corked) socket.cork();
      for (let i = 0; i < parts.length; i++) this.#give(parts[i]!);
      if (corked) socket.uncork();
    }
    this.#fullIsFlushed();
  }

  #fullIsFlushed(): void {
    while (this.#fullUntil.length < this.#full.length) this.#fullUntil.push(this.#given);
  }

  /** Gives the memory back when nobody reads in it any more. */
  #reclaim(): void {
    if (this.chunk === EMPTY) return;
    if (this.#full.length > 0) this.#giveBackWritten();
    if (this.socket.writableLength > 0 || this.#bytes > 0) return;
    this.#giveBack(this.chunk);
    this.chunk = EMPTY;
    this.#from = this.to = this.#given = 0;
  }

  /** Gives back what is full and was written to its end, though something else waits: under a steady stream something always does. */
  #giveBackWritten(): void {
    const written = this.#given - this.socket.writableLength;
    let pieces = 0;
    while (pieces < this.#fullUntil.length && this.#fullUntil[pieces]! <= written)
      this.#giveBack(this.#full[pieces++]!);
    if (pieces === 0) return;
    this.#full.splice(0, pieces);
    this.#fullUntil.splice(0, pieces);
  }

  #giveBack(memory: Buffer): void {
    if (!this.socket.destroyed) returnMemory(memory); // one that is destroyed does not say whether it still reads
  }

  /** Forgets what was not written. */
  drop(): void {
    this.#parts = [];
    this.#from = this.to;
    this.#bytes = 0;
    this.#fullIsFlushed();
  }

  /** Called behind the callback that has filled it. */
  endOfCallback(): void {
    if (this.wholeTurn && !this.#atOnce) return void setImmediate(flushScheduled, this);
    this.#write();
  }

  /** Called at the end of the turn. */
  endOfTurn(): void {
    if (this.#encrypted) this.#lonelyTurns = told === this.#scheduledAt ? this.#lonelyTurns + 1 : 0;
    this.#write();
  }

  #write(): void {
    this.#scheduled = false;
    this.flush();
    this.#onRoom();
  }
}

/** What one of them sets off may add others. */
function flushDue(): void {
  for (let i = 0; i < due.length; i++) due[i]!.endOfCallback();
  while (due.length > 0) due.pop(); // V8 goes a long way round to set a length
}

function flushScheduled(out: OutBuffer): void {
  out.endOfTurn();
}
