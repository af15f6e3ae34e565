import type { IncomingMessage } from 'node:http';
import { ApiError } from '../../api-error.ts';
import { badRequest } from '../errors.ts';

/** Kubernetes' own limit for requests (etcd's 1.5 MB, doubled). */
const MAX_BYTES = 3 * 1024 * 1024;

/** Reads a whole body. @throws ApiError 413 beyond 3 MiB */
export function readBytes(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MAX_BYTES) return chunks.push(chunk);
      chunks.length = 0; // the rest is read and dropped, so that the client is still there for the answer
      reject(new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BYTES}`));
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('close', () => reject(badRequest('the connection closed within the body')));
  });
}

/** Reads a whole body as text. @throws ApiError 413 beyond 3 MiB */
export async function readBody(request: IncomingMessage): Promise<string> {
  return (await readBytes(request)).toString('utf8');
}

/** Parses a body as JSON, or as YAML when the server was given a parser. An empty body is undefined. @throws ApiError */
export function parseBody(text: string, type: string, parseYaml: ((text: string) => unknown) | undefined): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text, refusePrototype) as unknown;
  } catch (error) {
    if (!type.includes('yaml')) throw badRequest(`the body is no JSON: ${String(error)}`);
  }
  if (parseYaml === undefined) throw badRequest('this server reads JSON only: send the object as JSON');
  try {
    return parseYaml(text);
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: ${String(error)}`);
  }
}

/** A member called __proto__ would be set on the object's prototype by later copies; no Kubernetes field is called so. */
function refusePrototype(this: unknown, key: string, value: unknown): unknown {
  return key === '__proto__' ? undefined : value;
}
