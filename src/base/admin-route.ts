/** One page of an admin server, said without any HTTP library: components offer pages, `main/` puts a server under them. */
export interface AdminRoute {
  /** `/config/:namespace/:pod`: a segment that begins with a colon takes any value. */
  readonly path: string;
  /** Answered to everybody who can reach the port; everything else is for callers on the same machine. */
  readonly public?: boolean;
  handle(parameters: ReadonlyMap<string, string>): AdminReply | Promise<AdminReply>;
}

export interface AdminReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** A reply of JSON, indented for people. Maps become objects. */
export function jsonReply(value: unknown, status = 200): AdminReply {
  const text = JSON.stringify(value, (_, v: unknown) => (v instanceof Map ? Object.fromEntries(v) : v), 2);
  return { status, contentType: 'application/json', body: `${text}\n` };
}

/** A reply of one line of text. */
export function textReply(text: string, status = 200): AdminReply {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${text}\n` };
}
