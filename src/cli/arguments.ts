import { InvalidArgumentError } from 'commander';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Reads `HOST:PORT` (`[::1]:80` for IPv6). Port 0 lets the system choose. */
export function hostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65535))
    throw new InvalidArgumentError('Expected HOST:PORT, for example 127.0.0.1:8443.');
  return { host, port };
}

/** Reads `NAMESPACE/NAME`. */
export function namespacedName(text: string): { readonly namespace: string; readonly pod: string } {
  const [namespace, pod, ...rest] = text.split('/');
  if (!namespace || !pod || rest.length > 0)
    throw new InvalidArgumentError('Expected NAMESPACE/NAME, for example shop/web-7d9f.');
  return { namespace, pod };
}

/** Reads a whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Expected a whole number of at least ${least}.`);
    return value;
  };
}

/** Text of a help page from one that is wrapped in the source: paragraphs are kept, the terminal wraps them anew. */
export function paragraphs(text: string): string {
  return text.trim().replaceAll(/(?<!\n)\n(?!\n)/g, ' ');
}
