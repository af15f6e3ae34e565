import { connect, type Socket } from 'node:net';
import { FLOODS } from './floods.ts';

// flood-attacker.ts NAME PORT: attacks until standard input ends. Prints `attacking`, and at the end how much it has sent.
const [name = '', port = '0'] = process.argv.slice(2);
const flood = FLOODS.get(name);
if (flood === undefined) throw new Error(`there is no flood ${name}`);
/** Connections that were lost are opened again, but no more than so many a second: the kernel is not what is attacked. */
const RECONNECTS_PER_SECOND = 500;
let bytes = 0;
let lost = 0;
let budget = 0;
let waiting = 0;

function attack(): void {
  const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
  socket.on('error', () => {});
  socket.on('close', () => {
    lost++;
    waiting++;
  });
  if (flood!.deaf === true) socket.pause();
  else socket.resume();
  const first = flood!.hello();
  if (first.length > 0) socket.write(first);
  send(socket, 0);
}

function send(socket: Socket, i: number): void {
  if (!socket.writable) return;
  const piece = flood!.piece(i);
  const next = piece === undefined ? i : i + 1;
  bytes += piece?.length ?? 0;
  const room = piece === undefined || socket.write(piece);
  if (flood!.everyMs !== undefined) setTimeout(send, flood!.everyMs, socket, next);
  else if (room) setImmediate(send, socket, next);
  else socket.once('drain', () => send(socket, next));
}

setInterval(() => {
  budget = RECONNECTS_PER_SECOND / 20;
  for (; waiting > 0 && budget > 0; waiting--, budget--) attack();
}, 50);
for (let i = 0; i < flood.connections; i++) attack();
console.log('attacking');
process.stdin.on('end', () => {
  console.log(JSON.stringify({ bytes, lost }));
  process.exit();
});
process.stdin.resume();
