import { connect, createServer } from 'node:net';
import { formatDestination } from '../../src/proxy/destination.ts';
import { loadOriginalDestination } from '../../src/proxy/original-destination.ts';

// Runs in a network namespace that redirects port 7777 to 15001: prints where a redirected connection was going.
const originalDestination = await loadOriginalDestination();
const server = createServer((socket) => {
  const destination = originalDestination(socket);
  console.log(destination === undefined ? 'unknown' : formatDestination(destination));
  socket.destroy();
  server.close();
});
server.listen(15001, () => connect(7777, '127.5.6.7').on('error', () => {}));
