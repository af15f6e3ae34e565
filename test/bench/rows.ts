import type { EntryName } from './column.ts';
import { BODIES } from './app/http1.ts';
import type { LoadSpec } from './load/spec.ts';

/** One row of the comparison: the same load on every column. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly entry: EntryName;
  /** What is counted. */
  readonly unit: 'request' | 'message' | 'MiB' | 'connection';
  /** Measured without warming up. */
  readonly cold?: boolean;
  load(port: number, seconds: number): LoadSpec;
  /** Another load on the same pair while this one runs, and a while before and after; only this one is counted. */
  readonly beside?: { readonly entry: EntryName; load(port: number, seconds: number): LoadSpec };
}

interface Http1Options {
  readonly connections: number;
  readonly path?: string;
  readonly ratePerSecond?: number;
  readonly kind?: 'http1' | 'http1-connect';
  readonly entry?: EntryName;
}

function http1(id: string, title: string, options: Http1Options): Row {
  const { connections, path = '/', ratePerSecond = 0, kind = 'http1', entry = 'http1' } = options;
  const fixed = { kind, connections, streams: 1, ratePerSecond, path, bodyBytes: BODIES[path]! };
  return { id, title, entry, unit: 'request', load: (port, seconds) => ({ ...fixed, port, seconds }) };
}

function grpc(id: string, title: string, kind: 'grpc' | 'grpc-stream', ratePerSecond = 0): Row {
  const fixed = { kind, connections: 10, streams: 10, ratePerSecond, path: '', bodyBytes: 0 };
  const unit = kind === 'grpc' ? 'request' : 'message';
  return { id, title, entry: 'grpc', unit, load: (port, seconds) => ({ ...fixed, port, seconds }) };
}

/** Connections that were used once and are held. */
function idle(id: string, connections: number, title: string): Row {
  const fixed = { kind: 'idle', connections, path: '/', bodyBytes: BODIES['/']! } as const;
  return { id, title, entry: 'http1', unit: 'connection', load: (port, seconds) => ({ ...fixed, port, seconds }) };
}

const GIB = 1 << 30;

export const ROWS: readonly Row[] = [
  http1('h1', 'HTTP/1.1 keep-alive, 50 connections, 36-byte body, saturated', { connections: 50 }),
  http1('h1-1000', 'HTTP/1.1 keep-alive, 16 connections, 1,000 requests/s', { connections: 16, ratePerSecond: 1000 }),
  http1('h1-5000', 'HTTP/1.1 keep-alive, 50 connections, 5,000 requests/s', { connections: 50, ratePerSecond: 5000 }),
  http1('connect', 'HTTP/1.1, a new connection per request, 20 at a time, saturated', {
    connections: 20,
    kind: 'http1-connect',
  }),
  grpc('grpc', 'gRPC unary (HTTP/2), 10 connections x 10 streams, 100-byte messages, saturated', 'grpc'),
  grpc('grpc-1000', 'gRPC unary (HTTP/2), 10 connections x 10 streams, 1,000 requests/s', 'grpc', 1000),
  grpc('stream', 'gRPC streaming, 10 connections x 10 calls, 100-byte messages to and fro, saturated', 'grpc-stream'),
  http1('1k', 'HTTP/1.1 keep-alive, 50 connections, 1 KB body, saturated', { connections: 50, path: '/1k' }),
  http1('64k', 'HTTP/1.1 keep-alive, 16 connections, 64 KB body, saturated', { connections: 16, path: '/64k' }),
  http1('1m', 'HTTP/1.1 keep-alive, 4 connections, 1 MB body, saturated', { connections: 4, path: '/1m' }),
  {
    id: 'tcp',
    title: 'raw TCP, bulk download on 2 connections',
    entry: 'tcp',
    unit: 'MiB',
    load: (port, seconds) => ({ kind: 'tcp', connections: 2, port, seconds }),
  },
  {
    id: 'hop-tcp',
    title: 'one hop, plain to plain, raw TCP, bulk download on 2 connections',
    entry: 'oneHopTcp',
    unit: 'MiB',
    load: (port, seconds) => ({ kind: 'tcp', connections: 2, port, seconds }),
  },
  {
    ...http1('beside-bulk', 'HTTP/1.1 keep-alive, 8 connections, 200 requests/s, beside a raw TCP bulk download', {
      connections: 8,
      ratePerSecond: 200,
    }),
    beside: { entry: 'tcp', load: (port, seconds) => ({ kind: 'tcp', connections: 1, port, seconds }) },
  },
  idle('idle-1', 1, 'HTTP/1.1, one keep-alive connection that was used once: the memory of a sidecar at rest'),
  idle('idle-1000', 1_000, 'HTTP/1.1, 1,000 keep-alive connections that were used once'),
  idle('idle', 5_000, 'HTTP/1.1, 5,000 keep-alive connections that were used once'),
  {
    id: 'stalled',
    title:
      'HTTP/1.1, upload of 1 GB to an app that does not read: what is taken all the same, and by how much memory grows',
    entry: 'http1',
    unit: 'MiB',
    cold: true,
    load: (port, seconds) => ({ kind: 'stalled', connections: 1, bodyBytes: GIB, port, seconds }),
  },
  http1('hop', 'one hop, plain to plain, HTTP/1.1 keep-alive, 50 connections, saturated', {
    connections: 50,
    entry: 'oneHop',
  }),
];
