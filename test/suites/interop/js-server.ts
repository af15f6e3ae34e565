import * as grpc from '@grpc/grpc-js';
import { aggregatedSize, payloadSize, wishes, withPayload } from './messages.ts';
import { ECHO_INITIAL, ECHO_TRAILING, testService } from './service.ts';

// The interop server on grpc-js. Prints its port; ends with standard input.

/** Sends back what the caller has marked for it. @returns the trailers */
function echo(call: { metadata: grpc.Metadata; sendMetadata(metadata: grpc.Metadata): void }): grpc.Metadata {
  const [initial, trailing] = [new grpc.Metadata(), new grpc.Metadata()];
  for (const value of call.metadata.get(ECHO_INITIAL)) initial.add(ECHO_INITIAL, value);
  for (const value of call.metadata.get(ECHO_TRAILING)) trailing.add(ECHO_TRAILING, value);
  if (call.metadata.get(ECHO_INITIAL).length > 0) call.sendMetadata(initial);
  return trailing;
}

const server = new grpc.Server();
server.addService(testService, {
  emptyCall: ((_call, callback) => callback(null, Buffer.alloc(0))) as grpc.handleUnaryCall<Buffer, Buffer>,
  unaryCall: ((call, callback) => {
    const trailers = echo(call);
    const { status, size } = wishes(call.request);
    if (status !== undefined && status.code !== 0)
      callback({ code: status.code, details: status.message, metadata: trailers });
    else callback(null, withPayload(size), trailers);
  }) as grpc.handleUnaryCall<Buffer, Buffer>,
  streamingOutputCall: ((call) => {
    for (const size of wishes(call.request).sizes) call.write(withPayload(size));
    call.end(echo(call));
  }) as grpc.handleServerStreamingCall<Buffer, Buffer>,
  streamingInputCall: ((call, callback) => {
    let total = 0;
    call.on('data', (message: Buffer) => (total += payloadSize(message)));
    call.on('end', () => callback(null, aggregatedSize(total)));
    call.on('error', () => {});
  }) as grpc.handleClientStreamingCall<Buffer, Buffer>,
  fullDuplexCall: ((call) => {
    const trailers = echo(call);
    call.on('data', (message: Buffer) => {
      const { status, sizes } = wishes(message);
      if (status !== undefined && status.code !== 0)
        return call.emit('error', { code: status.code, details: status.message, metadata: trailers });
      for (const size of sizes) call.write(withPayload(size));
      return undefined;
    });
    call.on('end', () => call.end(trailers));
    call.on('error', () => {});
  }) as grpc.handleBidiStreamingCall<Buffer, Buffer>,
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  console.log(port);
});
process.stdin.on('end', () => process.exit()).resume();
