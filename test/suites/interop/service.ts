import type { MethodDefinition } from '@grpc/grpc-js';

const same = (bytes: Buffer): Buffer => bytes;

function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Buffer, Buffer> {
  return {
    path: `/grpc.testing.TestService/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

/** grpc.testing.TestService with messages as bytes. */
export const testService = {
  emptyCall: method('EmptyCall', false, false),
  unaryCall: method('UnaryCall', false, false),
  streamingOutputCall: method('StreamingOutputCall', false, true),
  streamingInputCall: method('StreamingInputCall', true, false),
  fullDuplexCall: method('FullDuplexCall', true, true),
};

/** What custom_metadata sends and wants to see again: in the headers, and in the trailers. */
export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';
