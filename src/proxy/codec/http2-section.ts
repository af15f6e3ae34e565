import { isWellFormed, type SectionKind } from './http2-fields.ts';

/**
 * A decoded field section of HTTP/2. Sections that come again are the same object (`HpackDecoder.section`), so what was made of one is
 * kept with it: the verdict, and the head.
 */
export class Section {
  /** Name, value, name, value... Nobody changes it. */
  readonly fields: readonly string[];
  /** Seen more than once. */
  recurring = false;
  /** What a role has made of it, with END_STREAM and without. */
  withEnd: unknown = undefined;
  withoutEnd: unknown = undefined;
  #kind: SectionKind | undefined = undefined;
  #wellFormed = false;

  constructor(fields: readonly string[]) {
    this.fields = fields;
  }

  /** As `isWellFormed`. */
  is(kind: SectionKind): boolean {
    if (this.#kind !== kind) {
      this.#kind = kind;
      this.#wellFormed = isWellFormed(this.fields, kind);
    }
    return this.#wellFormed;
  }
}
