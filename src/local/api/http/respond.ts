import type { ServerResponse } from 'node:http';
import { ApiError } from '../../api-error.ts';
import { PodStreamError } from '../../pod-streams.ts';

/** Sends JSON, with warnings as `Warning: 299` headers. */
export function sendJson(
  response: ServerResponse,
  code: number,
  body: unknown,
  warnings: readonly string[] = [],
): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`);
  addWarnings(response, warnings);
  response.writeHead(code, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    'cache-control': 'no-cache, private',
  });
  response.end(bytes);
}

/** Sends plain text. */
export function sendText(response: ServerResponse, code: number, text: string): void {
  response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

/** Sends what went wrong as a Status object. What is no ApiError is our own fault: 500. */
export function sendError(response: ServerResponse, error: unknown, warnings: readonly string[] = []): void {
  const refusal = toApiError(error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const retry = refusal.details?.retryAfterSeconds;
  if (retry !== undefined) response.setHeader('retry-after', String(retry));
  if (refusal.code === 401) response.setHeader('www-authenticate', 'Bearer realm="weft-local"');
  sendJson(response, refusal.code, refusal.status(), warnings);
}

/** Any error in the words of the API. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof PodStreamError) return new ApiError(error.code, error.reason, error.message);
  return new ApiError(
    500,
    'InternalError',
    `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`,
    {
      causes: [{ reason: '', message: String(error) }],
    },
  );
}

function addWarnings(response: ServerResponse, warnings: readonly string[]): void {
  const seen = [...new Set(warnings)];
  if (seen.length === 0) return;
  response.setHeader(
    'warning',
    seen.map(
      (w) =>
        `299 - "${w
          .replaceAll(/[^\x20-\x7e]/g, '?')
          .replaceAll('\\', '\\\\')
          .replaceAll('"', '\\"')}"`,
    ),
  );
}
