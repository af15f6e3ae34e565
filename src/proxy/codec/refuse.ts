import type { ProxyError } from '../error.ts';
import { REASONS, type ReasonCode } from '../../mesh/reasons.ts';
import type { ResponseHead, ServerStream } from './stream.ts';

/** The reply that every refusal of a proxy is: status, `x-weft-reason`, and a sentence for whoever reads the body. */
export function refusalHead(code: ReasonCode, bodyLength: number): ResponseHead {
  const headers = [
    'x-weft-reason',
    code,
    'content-type',
    'text/plain; charset=utf-8',
    'content-length',
    `${bodyLength}`,
  ];
  return { status: REASONS[code].status, headers, contentLength: bodyLength };
}

/** The text behind a refusal's head. */
export function refusalBody(error: ProxyError): Buffer {
  return Buffer.from(`weft: ${error.code}: ${error.message}\n`, 'utf8');
}

/** Answers a request whose final head was not sent yet with the error's status and reason. A gRPC caller maps the status itself. */
export function refuse(stream: ServerStream, error: ProxyError): void {
  const body = refusalBody(error);
  stream.sendHead(refusalHead(error.code, body.length));
  stream.sendData(body);
  stream.sendEnd();
}
