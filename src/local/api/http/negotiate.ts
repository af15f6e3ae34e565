import { ApiError } from '../../api-error.ts';

/** How the client wants objects shown. */
export type Shape = 'object' | 'table' | 'metadata';

/** The first shape of the Accept header that can be served. @throws ApiError 406 when none can. */
export function negotiate(accept: string | undefined): Shape {
  if (accept === undefined || accept.trim() === '') return 'object';
  for (const entry of accept.split(',')) {
    const [type = '', ...parameters] = entry.split(';').map((p) => p.trim());
    if (!['application/json', '*/*', 'application/*', 'text/*', 'text/plain'].includes(type)) continue;
    const as = parameters.find((p) => p.startsWith('as='))?.slice(3);
    const group = parameters.find((p) => p.startsWith('g='))?.slice(2);
    if (as === undefined) return 'object';
    if (group !== 'meta.k8s.io') continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  throw new ApiError(
    406,
    'NotAcceptable',
    'only the following media types are accepted: application/json (the embedded API server speaks JSON; set the content type of your client to application/json)',
  );
}
