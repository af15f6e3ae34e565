import type { ApiObject } from '../../api-client.ts';
import { ApiError } from '../../api-error.ts';
import { convertAll } from '../crd/conversion.ts';
import { badRequest, expired, forbidden, invalidOptions, notFound, notSupported } from '../errors.ts';
import type { Kind } from '../kinds/kind.ts';
import { objectMatcher, parseFieldSelector, parseLabelSelector } from '../selectors.ts';
import { type RegistryDeps, storeKey, toVersion } from './deps.ts';
import { checkFields, fieldsOf } from './fields.ts';
import { isContinueToken, type PageBook } from './pages.ts';

export interface Selection {
  /** Empty: all namespaces. */
  readonly namespace: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
}

export interface ListRequest extends Selection {
  readonly kind: Kind;
  readonly version: string;
  /** 0: everything. */
  readonly limit: number;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
}

export interface Page {
  readonly items: readonly ApiObject[];
  readonly meta: { resourceVersion: string; continue?: string; remainingItemCount?: number };
}

/** One object, in the version asked for. @throws ApiError 404 */
export function get(
  deps: RegistryDeps,
  kind: Kind,
  version: string,
  namespace: string,
  name: string,
): Promise<ApiObject> {
  const object = deps.store.resource(storeKey(kind)).get(namespace, name);
  if (object === undefined) throw notFound(kind, name);
  return toVersion(deps, kind, object, version);
}

/** Whether an object belongs to what a list or watch is about. @throws ApiError 400 for selectors that do not parse */
export function selection(kind: Kind, { namespace, labelSelector, fieldSelector }: Selection) {
  const labels = labelSelector === '' ? undefined : parseLabelSelector(labelSelector);
  const terms = parseFieldSelector(fieldSelector);
  checkFields(kind, terms);
  const matches = objectMatcher(labels, terms, fieldsOf(kind));
  const convert = kind.storedAs?.fromStored ?? ((object: ApiObject) => object);
  return (object: ApiObject) =>
    (namespace === '' || object.metadata.namespace === namespace) && matches(convert(object));
}

/** Objects that match, a page at a time; all pages of one listing show the same moment. */
export async function list(deps: RegistryDeps, pages: PageBook, request: ListRequest): Promise<Page> {
  const { kind, version, limit } = request;
  const matches = selection(kind, request);
  const resource = deps.store.resource(storeKey(kind));
  let all = resource.all();
  let revision = deps.store.revision;
  let offset = 0;
  if (request.continue !== '') {
    if (request.resourceVersion !== '' && request.resourceVersion !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue');
    }
    const page = pages.open(request.continue);
    if (page === undefined) {
      if (!isContinueToken(request.continue)) throw badRequest('invalid continue token: continue key is not valid');
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
      );
    }
    ({ all, revision, offset } = page);
  } else checkRevision(request, revision);
  const found: ApiObject[] = [];
  let next = offset;
  for (; next < all.length && (limit === 0 || found.length < limit); next++) {
    const object = all[next];
    if (object !== undefined && matches(object)) found.push(object);
  }
  const rest = limit === 0 ? 0 : all.slice(next).filter(matches).length;
  const stored = kind.storedAs;
  const items =
    stored === undefined
      ? await convertAll(kind, found, version, deps.convertByWebhook)
      : found.map((object) => stored.fromStored(object));
  const resourceVersion = String(revision);
  if (rest === 0) return { items, meta: { resourceVersion } };
  const token = pages.keep({ all, revision, offset: next });
  const selective = request.labelSelector !== '' || request.fieldSelector !== '';
  return { items, meta: { resourceVersion, continue: token, ...(selective ? {} : { remainingItemCount: rest }) } };
}

const REVISION_MATCHES = ['Exact', 'NotOlderThan', ''];

/** Refuses versions that do not parse, that are gone (for exact matches) or that have not happened yet. */
function checkRevision({ resourceVersion, resourceVersionMatch }: ListRequest, revision: number): void {
  if (resourceVersionMatch !== '' && resourceVersion === '') {
    const detail = 'resourceVersionMatch is forbidden unless resourceVersion is provided';
    throw invalidOptions('ListOptions', forbidden('resourceVersionMatch', detail));
  }
  if (!REVISION_MATCHES.includes(resourceVersionMatch)) {
    throw invalidOptions('ListOptions', notSupported('resourceVersionMatch', resourceVersionMatch, REVISION_MATCHES));
  }
  if (resourceVersion === '' || resourceVersion === '0') return;
  const asked = parseRevision(resourceVersion);
  if (asked > revision) {
    throw new ApiError(504, 'Timeout', `Too large resource version: ${asked}, current: ${revision}`, {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    });
  }
  if (resourceVersionMatch === 'Exact' && asked !== revision) {
    throw expired(`The resourceVersion for the provided list is too old.`);
  }
}

/** @throws ApiError 400 */
export function parseRevision(text: string): number {
  if (!/^\d{1,16}$/.test(text))
    throw badRequest(
      `Invalid value: ${JSON.stringify(text)}: strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  return Number(text);
}
