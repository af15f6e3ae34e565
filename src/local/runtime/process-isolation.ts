import { connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Isolation, Sandbox, SandboxRequest } from './isolation.ts';
import { listensEverywhere } from './listeners.ts';

/** Port of the sidecar that takes what the app sends (mesh/ports.ts; local may not import mesh). */
const OUTBOUND_PORT = 15001;
const ADMIN_PORT = 15020;
/** Added to the third octet of a published address gives the private one. */
const PRIVATE = 128;

const OWN_ADDRESS =
  `make it listen on its pod's address: set env POD_IP from fieldRef status.podIP and listen on $(POD_IP), ` +
  `or run with --isolation netns`;

/**
 * Isolation without any privilege. Each mesh has a loopback network 127.A.0.0/16 of its own. A meshed pod's published
 * address 127.A.x.y belongs to its sidecar; the app gets 127.A.(x+128).y as its `status.podIP`, and sends through the
 * sidecar by proxy settings. It separates nothing from anybody: a program may listen and connect where it likes.
 */
export async function processIsolation(): Promise<Isolation> {
  const { network, claim } = await claimNetwork();
  const taken = new Set<number>();
  let last = 0;
  const allocate = (): number => {
    for (let i = 0; i < 0x7ffe; i++) {
      last = (last % 0x7ffe) + 1; // round and round: an address is not given again soon
      if (last > 255 && !taken.has(last)) {
        taken.add(last);
        return last; // 127.A.0.x stays free for the mesh's own needs
      }
    }
    throw new Error(`all pod addresses of ${network}.0.0/16 are taken`);
  };
  return {
    kind: 'process',
    async open(request) {
      const number = allocate();
      return sandboxOf(network, number, request, () => taken.delete(number));
    },
    close: () => new Promise((resolve) => claim.close(() => resolve())),
  };
}

function sandboxOf(network: string, number: number, { meshed }: SandboxRequest, free: () => void): Sandbox {
  const [high, low] = [number >> 8, number & 255];
  const publishedAddress = `${network}.${high}.${low}`;
  const appAddress = meshed ? `${network}.${high + PRIVATE}.${low}` : publishedAddress;
  return {
    publishedAddress,
    appAddress,
    hostAddress: '127.0.0.1',
    environment: meshed ? proxySettings(publishedAddress, appAddress) : {},
    sidecarUid: undefined,
    mount: () => Promise.resolve(), // the environment names the folders
    reachHost: (port) => Promise.resolve(port),
    enter: (argv) => Promise.resolve(argv),
    connect: (port, host, signal) => dial(port, host ?? appAddress, signal),
    forward: (port, signal) => dial(port, port === ADMIN_PORT ? publishedAddress : appAddress, signal),
    advise(groups) {
      const port = meshed ? listensEverywhere(groups) : undefined;
      if (port === undefined) return undefined;
      return (
        `the app listens on port ${port} of every address of this machine (0.0.0.0 or ::), so another pod cannot use ` +
        `that port and callers may get around the sidecar; ${OWN_ADDRESS}`
      );
    },
    explain(lastWords) {
      if (!/EADDRINUSE|address already in use/i.test(lastWords)) return undefined;
      return `the port is taken: in isolation process all pods share this machine's ports; ${OWN_ADDRESS}`;
    },
    close() {
      free();
      return Promise.resolve();
    },
  };
}

/** Both cases, since programs read one or the other; Node's own HTTP client wants to be told to look at all. */
function proxySettings(publishedAddress: string, appAddress: string): Record<string, string> {
  const proxy = `http://${publishedAddress}:${OUTBOUND_PORT}`;
  const none = `localhost,127.0.0.1,::1,${appAddress},${publishedAddress}`;
  const admin = `http://${publishedAddress}:${ADMIN_PORT}`;
  const settings: Record<string, string> = { NODE_USE_ENV_PROXY: '1', WEFT_ADMIN: admin };
  for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY']) {
    settings[name] = proxy;
    settings[name.toLowerCase()] = proxy;
  }
  return { ...settings, NO_PROXY: none, no_proxy: none };
}

/** Connects; a probe's own deadline comes with the signal. */
export function dial(port: number, host: string, signal: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host });
    const abort = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', reject);
      socket.on('error', () => {}); // whoever uses it hears `close`
      resolve(socket);
    });
    socket.once('error', (error) => {
      signal.removeEventListener('abort', abort);
      reject(error);
    });
  });
}

/** A loopback network that no other mesh on this machine has. The claim ends with this process, however it ends. */
async function claimNetwork(): Promise<{ network: string; claim: Server }> {
  for (let a = 64; a < 127; a++) {
    const claim = createServer();
    const free = await new Promise<boolean>((resolve) => {
      claim.once('error', () => resolve(false));
      claim.listen(`\0weft-loopback-127.${a}`, () => resolve(true)); // abstract socket: nothing in the file system
    });
    if (!free) continue;
    claim.unref();
    return { network: `127.${a}`, claim };
  }
  throw new Error('no free loopback network: 63 meshes run on this machine already');
}
