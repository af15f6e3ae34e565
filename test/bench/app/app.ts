import { createServer, type Server, type Socket } from 'node:net';
import { echoGrpc } from './grpc.ts';
import { answerHttp1 } from './http1.ts';
import { sendBytes } from './tcp.ts';

// The application behind every pair, as cheap as Node can make it: HTTP/1.1 with a body by path, gRPC (prior-knowledge
// HTTP/2) that sends back each message, raw TCP that sends bytes without end. Prints its ports as JSON; ends when
// standard input closes, as every program of the bench does.

export interface AppPorts {
  readonly http1: number;
  readonly grpc: number;
  readonly tcp: number;
}

async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {}); // 'close' follows
    onConnection(socket);
  });
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the app has no address');
  return address.port;
}

const ports: AppPorts = {
  http1: await listen(answerHttp1),
  grpc: await listen(echoGrpc),
  tcp: await listen(sendBytes),
};
console.log(JSON.stringify(ports));
process.stdin.on('end', () => process.exit()).resume();
