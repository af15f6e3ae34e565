/** One thing that is not as it must be in an object: where, and what. */
export interface Problem {
  /** `spec.backends[1].weight` */
  readonly path: string;
  readonly message: string;
}

/**
 * A place in a JSON document that somebody else wrote. Reading from it never throws: what is not of the asked type is
 * noted in `problems` and read as absent. `null` is absent, as Go clients write it. Only own properties are seen, so a
 * key such as `__proto__` is a key like any other.
 */
export class Json {
  readonly value: unknown;
  readonly path: string;
  readonly #problems: Problem[];

  constructor(value: unknown, path: string, problems: Problem[]) {
    this.value = value ?? undefined;
    this.path = path;
    this.#problems = problems;
  }

  get absent(): boolean {
    return this.value === undefined;
  }

  /** A value that was found elsewhere, with the path that people know it by. */
  beside(path: string, value: unknown): Json {
    return new Json(value, path, this.#problems);
  }

  complain(message: string): void {
    this.#problems.push({ path: this.path, message });
  }

  /** The value of a field; absent when this is absent or no object (which is then a problem). */
  at(key: string): Json {
    const path = this.path === '' ? key : `${this.path}.${key}`;
    const fields = this.#fields();
    const value = fields !== undefined && Object.hasOwn(fields, key) ? fields[key] : undefined;
    return new Json(value, path, this.#problems);
  }

  /** All fields in written order; none when absent. */
  entries(): (readonly [key: string, value: Json])[] {
    const fields = this.#fields() ?? {};
    return Object.keys(fields).map((key) => [key, new Json(fields[key], `${this.path}.${key}`, this.#problems)]);
  }

  /** The items of an array; undefined when absent. */
  items(): Json[] | undefined {
    if (this.absent) return undefined;
    if (!Array.isArray(this.value)) {
      this.complain(`must be a list, is ${typeName(this.value)}`);
      return undefined;
    }
    return this.value.map((item, i) => new Json(item, `${this.path}[${i}]`, this.#problems));
  }

  optionalString(): string | undefined {
    return this.#typed('string', 'a text');
  }

  /** A text that must be there. */
  string(): string {
    if (this.absent) this.complain('is required');
    return this.optionalString() ?? '';
  }

  /** A finite number. */
  optionalNumber(): number | undefined {
    const number = this.#typed<number>('number', 'a number');
    if (number === undefined || Number.isFinite(number)) return number;
    this.complain('must be a finite number');
    return undefined;
  }

  number(): number {
    if (this.absent) this.complain('is required');
    return this.optionalNumber() ?? 0;
  }

  optionalBoolean(): boolean | undefined {
    return this.#typed('boolean', 'true or false');
  }

  /** A map of texts; empty when absent. */
  stringMap(): ReadonlyMap<string, string> {
    const map = new Map<string, string>();
    for (const [key, value] of this.entries()) map.set(key, value.optionalString() ?? '');
    return map;
  }

  /** A list of texts; undefined when absent. */
  strings(): string[] | undefined {
    return this.items()?.map((item) => item.string());
  }

  #typed<T>(type: 'string' | 'number' | 'boolean', noun: string): T | undefined {
    if (this.absent || typeof this.value === type) return this.value as T | undefined;
    this.complain(`must be ${noun}, is ${typeName(this.value)}`);
    return undefined;
  }

  #fields(): Record<string, unknown> | undefined {
    if (this.absent) return undefined;
    if (typeof this.value === 'object' && !Array.isArray(this.value)) return this.value as Record<string, unknown>;
    this.complain(`must be an object, is ${typeName(this.value)}`);
    return undefined;
  }
}

/** `a list`, `the text "10"`: how a wrong value is named to the person who wrote it. */
export function typeName(value: unknown): string {
  if (value === null || value === undefined) return 'missing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string')
    return `the text ${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)}`;
  return `the ${typeof value} ${String(value)}`;
}

/** `T` with every property that may be undefined turned into an optional one. */
export type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** `fields` without those that are undefined: how optional properties are left out under exactOptionalPropertyTypes. */
export function present<T extends object>(fields: T): Present<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Present<T>;
}
