import { createRequire } from 'node:module';
import type * as Engine from 're2js';
import type { RE2JS } from 're2js';

const require = createRequire(import.meta.url);

/** The engine is loaded with the first pattern that needs it: most sidecars see none, and it takes 1 MB of theirs. */
function re2(): typeof Engine {
  return require('re2js') as typeof Engine;
}

/** Longest pattern that is accepted, in characters. */
export const MAX_PATTERN_LENGTH = 1024;
/** Largest compiled program, in instructions: what one character of input may cost at worst (`a{1000}` is 1,002). */
export const MAX_PATTERN_PROGRAM = 1200;

/**
 * `start`: the match begins at the first character and may end anywhere, over the whole alternation (`smi.md` H1);
 * `full`: the match covers the whole text (`smi.md` H4).
 */
export type Anchor = 'start' | 'full';

/** A pattern that a user wrote, in RE2's syntax, matched in time proportional to the text (`smi.md` H3). */
export interface Pattern {
  matches(text: string): boolean;
}

/** The pattern cannot be used; the message is a clause that completes "the pattern ...". */
export class PatternError extends Error {}

/**
 * What is wrong with a pattern, as a clause that completes "the pattern ..."; undefined when it is fine. This is the
 * one judge of patterns: admission, compile and the proxy agree because all ask here.
 */
export function checkPattern(source: string): string | undefined {
  try {
    compilePattern(source, 'full');
    return undefined;
  } catch (error) {
    if (error instanceof PatternError) return error.message;
    throw error;
  }
}

/** @throws PatternError when the pattern is not RE2 syntax, or beyond the limits */
export function compilePattern(source: string, anchor: Anchor): Pattern {
  return shortcut(source, anchor) ?? enginePattern(source, anchor);
}

function enginePattern(source: string, anchor: Anchor): Pattern {
  if (source.length > MAX_PATTERN_LENGTH) {
    throw new PatternError(`has ${source.length} characters, more than ${MAX_PATTERN_LENGTH}`);
  }
  const alone = engine(source); // on its own first: `a)(b` must not become valid by the group around it
  if (alone.programSize() > MAX_PATTERN_PROGRAM) {
    throw new PatternError(`is too costly: ${alone.programSize()} steps, more than ${MAX_PATTERN_PROGRAM}`);
  }
  const grouped = groupedEngine(source);
  if (anchor === 'full') return new FullPattern(alone, literalPrefix(source));
  return new StartPattern(grouped, literalPrefix(source));
}

/** What is fine alone and not in a group can only be an open `\Q`, which swallows the closing parenthesis. */
function groupedEngine(source: string): RE2JS {
  try {
    return re2().RE2JS.compile(`^(?:${source})`);
  } catch (cause) {
    throw new PatternError('has a \\Q without its \\E', { cause });
  }
}

function engine(source: string): RE2JS {
  try {
    return re2().RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof re2().RE2JSSyntaxException)) throw error;
    throw new PatternError(explain(error.getDescription(), error.getPattern() ?? undefined), { cause: error });
  }
}

/** Says what people who come from Perl or JavaScript need to hear; the engine's own words for the rest. */
function explain(description: string, at: string | undefined): string {
  if (/^\\[1-9k]/.test(at ?? '')) return `uses a backreference (${at}), which cannot be matched in linear time`;
  if (/\(\?(?:[=!]|<[=!])/.test(at ?? '')) {
    return `uses lookaround (${/\(\?<?[=!]/.exec(at ?? '')?.[0]}...), which cannot be matched in linear time`;
  }
  if (description.includes('repeat count')) return `repeats too often (${at}); 1000 is the most, nesting included`;
  return `is not valid RE2 syntax: ${description}${at === undefined ? '' : ` in ${at}`}`;
}

const META = /[\\.+*?()|[\]{}^$]/;

/** The few forms that make up most patterns in the field, without the engine. */
function shortcut(source: string, anchor: Anchor): Pattern | undefined {
  if (source.length > MAX_PATTERN_LENGTH) return undefined;
  const body = unescaped(source.startsWith('^') ? source.slice(1) : source);
  if (body === undefined) return undefined;
  const { text, tail } = body;
  switch (tail) {
    case '':
      return anchor === 'full' ? new ExactText(text) : new PrefixText(text);
    case '$':
      return new ExactText(text);
    case '.*':
      return anchor === 'full' ? new PrefixLine(text) : new PrefixText(text);
    case '.*$':
      return new PrefixLine(text);
    case '(/.*)?$':
      return new SubtreeText(text);
    case '(/.*)?':
      return anchor === 'full' ? new SubtreeText(text) : new PrefixText(text);
    default:
      return undefined;
  }
}

/** Splits `literal` + `tail`, the tail starting at the first operator; escaped punctuation belongs to the literal. */
function unescaped(source: string): { text: string; tail: string } | undefined {
  let text = '';
  for (let i = 0; i < source.length; i++) {
    let char = source.charAt(i);
    if (char === '\\') {
      char = source.charAt(++i);
      if (!/^[!-/:-@[-`{-~]$/.test(char)) return undefined; // \d, \n, \Q...: the engine's business
    } else if (META.test(char)) {
      return { text, tail: source.slice(i) };
    }
    if (char.charCodeAt(0) > 0x7e) return undefined;
    text += char;
  }
  return { text, tail: '' };
}

/** What every matching text begins with: compared first, so that most non-matches never reach the engine. */
function literalPrefix(source: string): string {
  if (source.includes('|') || source.includes('(?')) return '';
  const body = unescaped(source.startsWith('^') ? source.slice(1) : source);
  if (body === undefined) return '';
  return /^[*?+{]/.test(body.tail) ? body.text.slice(0, -1) : body.text;
}

class ExactText implements Pattern {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  matches(text: string): boolean {
    return text === this.#text;
  }
}

class PrefixText implements Pattern {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  matches(text: string): boolean {
    return text.startsWith(this.#text);
  }
}

/** `text.*` to the end: a dot is not a line feed. */
class PrefixLine implements Pattern {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  matches(text: string): boolean {
    return text.startsWith(this.#text) && !text.includes('\n', this.#text.length);
  }
}

/** `text(/.*)?` to the end: the path itself and what lies below it. */
class SubtreeText implements Pattern {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  matches(text: string): boolean {
    const { length } = this.#text;
    if (!text.startsWith(this.#text)) return false;
    return text.length === length || (text.charCodeAt(length) === 0x2f && !text.includes('\n', length));
  }
}

class StartPattern implements Pattern {
  readonly #engine: RE2JS;
  readonly #prefix: string;
  constructor(engine: RE2JS, prefix: string) {
    this.#engine = engine;
    this.#prefix = prefix;
  }
  matches(text: string): boolean {
    return text.startsWith(this.#prefix) && this.#engine.test(text);
  }
}

class FullPattern implements Pattern {
  readonly #engine: RE2JS;
  readonly #prefix: string;
  constructor(engine: RE2JS, prefix: string) {
    this.#engine = engine;
    this.#prefix = prefix;
  }
  matches(text: string): boolean {
    return text.startsWith(this.#prefix) && this.#engine.testExact(text);
  }
}
