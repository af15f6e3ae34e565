import { connect, type Socket } from 'node:net';

// load.ts PORT CONNECTIONS SECONDS: keep-alive GETs, one in flight per connection, as many as the far end takes.
// Prints one line of JSON: requests, failures and latency quantiles in milliseconds.
const [port = 0, connections = 1, seconds = 1] = process.argv.slice(2).map(Number);
const request = Buffer.from('GET / HTTP/1.1\r\nHost: app.bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n');
const latencies: number[] = [];
let failures = 0;
let running = true;

function client(): Promise<void> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let seen = '';
    let started = 0;
    const ask = () => {
      if (!running) return socket.end();
      started = performance.now();
      socket.write(request);
    };
    socket.on('connect', ask);
    socket.on('error', () => failures++);
    socket.on('close', () => resolve());
    socket.on('data', (chunk) => {
      seen = seen === '' ? chunk.toString('latin1') : seen + chunk.toString('latin1');
      const end = seen.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(seen)?.[1] ?? Number.NaN);
      if (seen.length < end + 4 + length) return;
      if (seen.startsWith('HTTP/1.1 200')) latencies.push(performance.now() - started);
      else failures++;
      seen = '';
      ask();
    });
  });
}

const begun = performance.now();
setTimeout(() => (running = false), seconds * 1000);
await Promise.all(Array.from({ length: connections }, client));
latencies.sort((a, b) => a - b);
const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
const elapsed = (performance.now() - begun) / 1000;
console.log(
  JSON.stringify({
    requests: latencies.length,
    failures,
    perSecond: latencies.length / elapsed,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
  }),
);
