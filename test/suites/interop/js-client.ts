import assert from 'node:assert/strict';
import * as grpc from '@grpc/grpc-js';
import { decode, payloadSize, simpleRequest, streamingOutputRequest, withPayload } from './messages.ts';
import { ECHO_INITIAL, ECHO_TRAILING, testService } from './service.ts';

// js-client.ts PORT CASE: one case of gRPC's interop tests on grpc-js. The exit code says how it went.
const [port = '', name = ''] = process.argv.slice(2);
const TestClient = grpc.makeGenericClientConstructor(testService, 'grpc.testing.TestService');
/** No case may take longer. */
const DEADLINE_MS = 20_000;
const SIZES = [31_415, 9, 2_653, 58_979];
const BODIES = [27_182, 8, 1_828, 45_904];
const UNKNOWN = 2;
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

interface Result {
  readonly error: grpc.ServiceError | null;
  readonly response: Buffer;
  readonly initial: grpc.Metadata | undefined;
  readonly status: grpc.StatusObject;
}

const open = () => new TestClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
const client = open();
const deadline = () => ({ deadline: Date.now() + DEADLINE_MS });

/** A method by name: the constructor that grpc-js makes has no types for them. */
function call(method: keyof typeof testService, on: grpc.Client = client) {
  return (on as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!.bind(on);
}

function unary(
  method: 'emptyCall' | 'unaryCall',
  request: Buffer,
  { metadata = new grpc.Metadata(), on = client }: { metadata?: grpc.Metadata; on?: grpc.Client } = {},
): Promise<Result> {
  return new Promise((resolve) => {
    let result: { error: grpc.ServiceError | null; response: Buffer } | undefined;
    let initial: grpc.Metadata | undefined;
    let status: grpc.StatusObject | undefined;
    const done = () => result && status && resolve({ ...result, initial, status });
    const running = call(method, on)(
      request,
      metadata,
      deadline(),
      (error: grpc.ServiceError | null, response: Buffer) => {
        result = { error, response };
        done();
      },
    ) as grpc.ClientUnaryCall;
    running.on('metadata', (seen: grpc.Metadata) => (initial = seen));
    running.on('status', (seen: grpc.StatusObject) => {
      status = seen;
      done();
    });
  });
}

/** What a stream brought until its end. */
function ended(stream: grpc.ClientReadableStream<Buffer>): Promise<{ sizes: number[]; status: grpc.StatusObject }> {
  return new Promise((resolve) => {
    const sizes: number[] = [];
    stream.on('data', (message: Buffer) => sizes.push(payloadSize(message)));
    stream.on('error', () => {}); // its status says the same
    stream.on('status', (status: grpc.StatusObject) => setImmediate(() => resolve({ sizes, status })));
  });
}

function duplex(metadata = new grpc.Metadata(), options: grpc.CallOptions = deadline()) {
  return call('fullDuplexCall')(metadata, options) as grpc.ClientDuplexStream<Buffer, Buffer>;
}

async function largeUnary(on: grpc.Client = client): Promise<void> {
  const { error, response } = await unary('unaryCall', simpleRequest(314_159, 271_828), { on });
  assert.equal(error, null);
  assert.equal(payloadSize(response), 314_159);
}

function echoes(): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set(ECHO_INITIAL, 'test_initial_metadata_value');
  metadata.set(ECHO_TRAILING, Buffer.from('ababab', 'hex'));
  return metadata;
}

function checkEchoes(initial: grpc.Metadata | undefined, trailing: grpc.Metadata): void {
  assert.deepEqual(initial?.get(ECHO_INITIAL), ['test_initial_metadata_value']);
  assert.deepEqual(trailing.get(ECHO_TRAILING), [Buffer.from('ababab', 'hex')]);
}

async function statusOf(message: string): Promise<void> {
  const echo = { code: UNKNOWN, message };
  const { error } = await unary('unaryCall', simpleRequest(0, 0, echo));
  assert.equal(error?.code, UNKNOWN);
  assert.equal(error?.details, message);
  const stream = duplex();
  const over = ended(stream);
  stream.write(streamingOutputRequest([], 0, echo));
  stream.end();
  const { status } = await over;
  assert.equal(status.code, UNKNOWN);
  assert.equal(status.details, message);
}

async function unimplemented(path: string): Promise<void> {
  const error = await new Promise<grpc.ServiceError | null>((resolve) => {
    const same = (bytes: Buffer) => bytes;
    client.makeUnaryRequest(path, same, same, Buffer.alloc(0), new grpc.Metadata(), deadline(), resolve);
  });
  assert.equal(error?.code, grpc.status.UNIMPLEMENTED);
}

const CASES: Readonly<Record<string, () => Promise<void>>> = {
  async empty_unary() {
    const { error, response } = await unary('emptyCall', Buffer.alloc(0));
    assert.equal(error, null);
    assert.equal(response.length, 0);
  },
  large_unary: largeUnary,
  async client_streaming() {
    const response = await new Promise<Buffer>((resolve, reject) => {
      const stream = call('streamingInputCall')(
        new grpc.Metadata(),
        deadline(),
        (error: grpc.ServiceError | null, answer: Buffer) => (error === null ? resolve(answer) : reject(error)),
      ) as grpc.ClientWritableStream<Buffer>;
      for (const size of BODIES) stream.write(withPayload(size));
      stream.end();
    });
    assert.equal(decode(response).numbers.get(1), 74_922);
  },
  async server_streaming() {
    const request = streamingOutputRequest(SIZES, 0);
    const stream = call('streamingOutputCall')(request, deadline()) as grpc.ClientReadableStream<Buffer>;
    const { sizes, status } = await ended(stream);
    assert.deepEqual(sizes, SIZES);
    assert.equal(status.code, grpc.status.OK);
  },
  async ping_pong() {
    const stream = duplex();
    const over = ended(stream);
    for (const [i, size] of SIZES.entries()) {
      const answer = new Promise((resolve) => stream.once('data', resolve));
      stream.write(streamingOutputRequest([size], BODIES[i]!));
      await answer;
    }
    stream.end();
    const { sizes, status } = await over;
    assert.deepEqual(sizes, SIZES);
    assert.equal(status.code, grpc.status.OK);
  },
  async empty_stream() {
    const stream = duplex();
    const over = ended(stream);
    stream.end();
    const { sizes, status } = await over;
    assert.deepEqual([sizes, status.code], [[], grpc.status.OK]);
  },
  async timeout_on_sleeping_server() {
    const stream = duplex(new grpc.Metadata(), { deadline: Date.now() + 1 });
    const over = ended(stream);
    stream.write(streamingOutputRequest([], 27_182));
    assert.equal((await over).status.code, grpc.status.DEADLINE_EXCEEDED);
  },
  async cancel_after_begin() {
    const error = await new Promise<grpc.ServiceError | null>((resolve) => {
      const stream = call('streamingInputCall')(
        new grpc.Metadata(),
        deadline(),
        resolve,
      ) as grpc.ClientWritableStream<Buffer>;
      setImmediate(() => stream.cancel());
    });
    assert.equal(error?.code, grpc.status.CANCELLED);
  },
  async cancel_after_first_response() {
    const stream = duplex();
    const over = ended(stream);
    stream.once('data', () => stream.cancel());
    stream.write(streamingOutputRequest([31_415], 27_182));
    assert.equal((await over).status.code, grpc.status.CANCELLED);
  },
  status_code_and_message: () => statusOf('test status message'),
  special_status_message: () => statusOf(SPECIAL),
  async custom_metadata() {
    const { error, initial, status } = await unary('unaryCall', simpleRequest(314_159, 271_828), {
      metadata: echoes(),
    });
    assert.equal(error, null);
    checkEchoes(initial, status.metadata);
    const stream = duplex(echoes());
    let seen: grpc.Metadata | undefined;
    stream.on('metadata', (metadata: grpc.Metadata) => (seen = metadata));
    const over = ended(stream);
    stream.write(streamingOutputRequest([314_159], 271_828));
    stream.end();
    const { status: end } = await over;
    checkEchoes(seen, end.metadata);
  },
  unimplemented_method: () => unimplemented('/grpc.testing.TestService/UnimplementedCall'),
  unimplemented_service: () => unimplemented('/grpc.testing.UnimplementedService/UnimplementedCall'),
  async rpc_soak() {
    for (let i = 0; i < 10; i++) await largeUnary();
  },
  async channel_soak() {
    for (let i = 0; i < 10; i++) {
      const fresh = open();
      await largeUnary(fresh);
      fresh.close();
    }
  },
};

const run = CASES[name];
if (run === undefined) {
  console.error(`grpc-js has no case ${name}`);
  process.exit(3);
}
run().then(
  () => process.exit(0),
  (error: Error) => {
    console.error(error.message);
    process.exit(1);
  },
);
