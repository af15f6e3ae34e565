import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import type { Seen } from './protocol.ts';
import type { Receipts } from './receipts.ts';

/**
 * Name of the Unix socket on which the app of a pod tells what it received. In the abstract namespace: it needs no
 * folder and is gone with the process. Off the network, so no mesh can be in the way.
 */
export function controlName(namespace: string, pod: string): string {
  return `\0weft-testapp/${namespace}/${pod}`;
}

/** Answers each line, a JSON list of ids, with a JSON line of what was received under them. */
export async function serveReceipts(name: string, receipts: Receipts): Promise<Server> {
  const server = createServer((socket) => {
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString();
      if (text.endsWith('\n')) socket.end(JSON.stringify(receipts.seen(JSON.parse(text) as string[])) + '\n');
    });
  });
  server.listen(name);
  await once(server, 'listening');
  return server;
}

/** Asks the app of this pod. Rejects when there is none. */
export async function askReceipts(name: string, ids: readonly string[]): Promise<Record<string, Seen>> {
  const socket = connect(name);
  await once(socket, 'connect');
  socket.write(JSON.stringify(ids) + '\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return JSON.parse(text) as Record<string, Seen>;
}
