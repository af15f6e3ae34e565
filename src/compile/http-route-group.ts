import type { Diagnostic } from '../base/diagnostic.ts';
import { checkPattern } from '../mesh/regex.ts';
import type { HttpMatch } from '../mesh/resources.ts';
import type { HTTPMatch, HTTPRouteGroup } from '../spec/smi.ts';
import { about, type Finding } from './finding.ts';

/** An HTTPRouteGroup as rules and splits refer to it. */
export interface CompiledGroup {
  /** Usable matches by the name of their entry; several under one name are a union (`smi.md` H11). */
  readonly byName: ReadonlyMap<string, readonly HttpMatch[]>;
  /** Usable matches in written order: what a reference without names means. */
  readonly all: readonly HttpMatch[];
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Turns entries into matches. An entry with a part that cannot be matched is left out and said, so that it grants and
 * routes nothing (`smi.md` H12); its name stays known, because the reference to it is not what is wrong. A group that no
 * CRD admits is left out as a whole.
 */
export function compileGroup(group: HTTPRouteGroup): CompiledGroup {
  const diagnostics: Diagnostic[] = [];
  const byName = new Map<string, HttpMatch[]>();
  const all: HttpMatch[] = [];
  const entries = group.spec?.matches ?? [];
  const refused = methodErrors(group);
  diagnostics.push(...refused);
  if (entries.length === 0) diagnostics.push(withoutMatches(group));
  entries.forEach((entry, i) => {
    const path = `spec.matches[${i}]`;
    const known = byName.get(entry.name);
    if (known !== undefined) diagnostics.push(duplicateName(group, entry, path));
    const named = known ?? [];
    byName.set(entry.name, named);
    const errors = [...patternErrors(group, entry, path)];
    diagnostics.push(...errors, ...headerNameRemarks(group, entry, path));
    if (!errors.some((error) => error.path === `${path}.pathRegex`))
      diagnostics.push(...anchorRemarks(group, entry, path));
    if (errors.length > 0 || refused.length > 0) return;
    const match = toMatch(group, entry, i);
    named.push(match);
    all.push(match);
  });
  return { byName, all, diagnostics };
}

function toMatch(group: HTTPRouteGroup, entry: HTTPMatch, index: number): HttpMatch {
  const methods = [...new Set(entry.methods ?? [])];
  const anyMethod = methods.length === 0 || methods.includes('*'); // H8, H9
  return {
    name: `${group.metadata.name}/${entry.name === '' ? `[${index}]` : entry.name}`,
    ...(entry.pathRegex === undefined ? {} : { pathRegex: entry.pathRegex }),
    ...(anyMethod ? {} : { methods }),
    ...(entry.headers === undefined || entry.headers.length === 0 ? {} : { headers: entry.headers }),
  };
}

function* patternErrors(group: HTTPRouteGroup, entry: HTTPMatch, path: string): Iterable<Diagnostic> {
  const name = entryName(entry);
  const pathError = entry.pathRegex === undefined ? undefined : checkPattern(entry.pathRegex);
  if (pathError !== undefined) {
    yield about(group, {
      code: 'SMI1301',
      level: 'error',
      path: `${path}.pathRegex`,
      message: `the pattern ${pathError}; ${name} matches no request until it is corrected`,
      fix: 'write a regular expression in RE2 syntax (https://github.com/google/re2/wiki/Syntax)',
    });
  }
  for (const [header, regex] of entry.headers ?? []) {
    const error = checkPattern(regex);
    if (error === undefined) continue;
    yield about(group, {
      code: 'SMI1302',
      level: 'error',
      path: `${path}.headers.${header}`,
      message: `the pattern for header ${header} ${error}; ${name} matches no request until it is corrected`,
      fix: 'write a regular expression in RE2 syntax (https://github.com/google/re2/wiki/Syntax)',
    });
  }
}

/** What the CRDs of SMI admit. Others pass through `*` or through no methods at all (`smi.md` H10). */
const METHODS: readonly string[] = '* GET HEAD PUT POST DELETE CONNECT OPTIONS TRACE PATCH'.split(' ');

function methodErrors(group: HTTPRouteGroup): Diagnostic[] {
  return (group.spec?.matches ?? []).flatMap(({ methods = [] }, i) =>
    methods.flatMap((method, j) => {
      if (METHODS.includes(method)) return [];
      const finding: Finding = {
        code: 'SMI1305',
        level: 'error',
        path: `spec.matches[${i}].methods[${j}]`,
        message: `${JSON.stringify(method)} is none of the methods that SMI knows; the whole group matches no request until it is corrected`,
        fix: `use ${METHODS.slice(1).join(', ')}, or "*" for any`,
      };
      return [about(group, finding)];
    }),
  );
}

/** RFC 9110 5.6.2, lower case as the reader made it. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

function* headerNameRemarks(group: HTTPRouteGroup, entry: HTTPMatch, path: string): Iterable<Diagnostic> {
  for (const [header] of entry.headers ?? []) {
    if (HEADER_NAME.test(header) || header === ':authority') continue;
    yield about(group, {
      code: 'SMI1307',
      level: 'warning',
      path: `${path}.headers.${header}`,
      message: `${JSON.stringify(header)} is not a name that a header can have; ${entryName(entry)} matches no request`,
      fix: 'write the name of a header without colon or blanks; path and method have fields of their own',
    });
  }
}

function* anchorRemarks(group: HTTPRouteGroup, entry: HTTPMatch, path: string): Iterable<Diagnostic> {
  if (entry.pathRegex !== undefined && /[\w-]$/.test(entry.pathRegex) && !/\\\w$/.test(entry.pathRegex)) {
    const pathRegex = entry.pathRegex.includes('|') ? `(${entry.pathRegex})` : entry.pathRegex;
    yield about(group, {
      code: 'SMI1306',
      level: 'info',
      path: `${path}.pathRegex`,
      message: `the pattern is anchored at its start only: a path that goes on after it, as in ...-internal, matches as well`,
      fix: `write ${pathRegex}$ for that path alone, or ${pathRegex}(/.*)?$ for it and what lies below`,
    });
  }
}

function withoutMatches(group: HTTPRouteGroup): Diagnostic {
  return about(group, {
    code: 'SMI1303',
    level: 'warning',
    path: 'spec.matches',
    message: 'the group has no matches; what refers to it matches no request',
    fix: 'add an entry to spec.matches (an entry with nothing but a name matches every request)',
  });
}

function duplicateName(group: HTTPRouteGroup, entry: HTTPMatch, path: string): Diagnostic {
  return about(group, {
    code: 'SMI1304',
    level: 'warning',
    path: `${path}.name`,
    message: `the name ${JSON.stringify(entry.name)} is used before; who refers to it means all entries of that name`,
    fix: 'give each entry a name of its own',
  });
}

function entryName(entry: HTTPMatch): string {
  return entry.name === '' ? 'this entry' : `entry ${entry.name}`;
}
