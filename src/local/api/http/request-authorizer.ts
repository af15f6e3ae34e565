import { type Authorizer, refusal } from '../auth/authorize.ts';
import type { Exchange } from './exchange.ts';
import { parseResourcePath } from './request-info.ts';
import { verbOf } from './resources.ts';

/** Asks the authorizer about each request. @throws ApiError 403 */
export function requestAuthorizer(authorizer: Authorizer): (exchange: Exchange) => void {
  return (exchange) => {
    const path = parseResourcePath(exchange.path);
    const method = exchange.request.method ?? 'GET';
    const attributes =
      path === undefined
        ? { verb: method.toLowerCase(), path: exchange.path }
        : { ...path, verb: method === 'POST' ? 'create' : (verbOf(exchange, path.name) ?? method.toLowerCase()) };
    if (!authorizer.decide(exchange.user, attributes).allowed) throw refusal(exchange.user, attributes);
  };
}
