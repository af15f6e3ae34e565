import { compilePattern, type Pattern } from './regex.ts';
import type { HttpMatch } from './resources.ts';

/**
 * Whether a request is one that any of the matches describes. Headers are the codec's flat list: lower-cased name,
 * value, name, value. `path` is the normal form without query (`path.ts`), `authority` is Host or :authority.
 */
export type HttpMatcher = (method: string, path: string, authority: string, headers: readonly string[]) => boolean;

/** Of lists that are still in use: most of them outlive many configurations. */
const compiled = new WeakMap<readonly HttpMatch[], HttpMatcher>();

/**
 * Compiles matches once, for many requests. Absent matches everything, an empty list nothing (`smi.md` H13). The list
 * must not change afterwards.
 * @throws PatternError when a pattern is none: compile keeps such matches out, so a proxy that meets one refuses the
 * configuration
 */
export function httpMatcher(matches: readonly HttpMatch[] | undefined): HttpMatcher {
  if (matches === undefined) return () => true;
  let matcher = compiled.get(matches);
  if (matcher === undefined) {
    matcher = anyOf(matches.map((match) => new CompiledMatch(match)));
    compiled.set(matches, matcher);
  }
  return matcher;
}

function anyOf(entries: readonly CompiledMatch[]): HttpMatcher {
  const only = entries[0];
  if (only === undefined) return () => false;
  if (entries.length === 1) {
    return function oneMatch(method, path, authority, headers) {
      return only.matches(method, path, authority, headers);
    };
  }
  return function anyMatch(method, path, authority, headers) {
    for (const entry of entries) if (entry.matches(method, path, authority, headers)) return true;
    return false;
  };
}

/** Path AND method AND every header. */
class CompiledMatch {
  readonly #path: Pattern | undefined;
  readonly #methods: readonly string[] | undefined;
  readonly #headers: readonly CompiledHeader[];

  constructor(match: HttpMatch) {
    this.#path = match.pathRegex === undefined ? undefined : compilePattern(match.pathRegex, 'start');
    this.#methods = match.methods;
    this.#headers = (match.headers ?? []).map(([name, regex]) => ({ name, value: compilePattern(regex, 'full') }));
  }

  matches(method: string, path: string, authority: string, headers: readonly string[]): boolean {
    if (this.#methods !== undefined && !this.#methods.includes(method)) return false;
    if (this.#path !== undefined && !this.#path.matches(path)) return false;
    for (const header of this.#headers) {
      const value =
        header.name === 'host' || header.name === ':authority' ? authority : headerValue(headers, header.name);
      if (value === undefined || !header.value.matches(value)) return false;
    }
    return true;
  }
}

interface CompiledHeader {
  readonly name: string;
  readonly value: Pattern;
}

/** A field's value, repeated fields joined (`smi.md` H6); undefined when absent, which nothing matches (H5). */
export function headerValue(headers: readonly string[], name: string): string | undefined {
  let joined: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    const value = headers[i + 1] ?? '';
    joined = joined === undefined ? value : `${joined}${name === 'cookie' ? '; ' : ', '}${value}`;
  }
  return joined;
}
