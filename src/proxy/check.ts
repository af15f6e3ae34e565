/** Checks one value of a parsed JSON file; says what is wrong with it by `problems`, each with its path. */
export type Check = (value: unknown, path: string, problems: string[]) => void;

/** Marks a field that may be absent. */
export interface Optional {
  readonly optional: Check;
}

type Field = Check | Optional;

export function optional(check: Check): Optional {
  return { optional: check };
}

/** An object with exactly these fields: one that nobody knows is most often a misspelt one. */
export function object(fields: Readonly<Record<string, Field>>): Check {
  const known = new Map(Object.entries(fields));
  return (value, path, problems) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return void problems.push(`${at(path)} must be an object`);
    }
    for (const key of Object.keys(value)) {
      if (!known.has(key)) problems.push(`${join(path, key)} is not known; known are ${[...known.keys()].join(', ')}`);
    }
    for (const [key, field] of known) {
      const present = Object.hasOwn(value, key);
      const check = typeof field === 'function' ? field : field.optional;
      if (present) check((value as Record<string, unknown>)[key], join(path, key), problems);
      else if (typeof field === 'function') problems.push(`${join(path, key)} is missing`);
    }
  };
}

export function list(item: Check): Check {
  return (value, path, problems) => {
    if (!Array.isArray(value)) return void problems.push(`${at(path)} must be a list`);
    for (const [i, element] of value.entries()) item(element, `${path}[${i}]`, problems);
  };
}

/** One of several objects, told apart by a field. */
export function oneOf(tag: string, checks: Readonly<Record<string, Check>>): Check {
  const kinds = new Map(Object.entries(checks));
  return (value, path, problems) => {
    const kind: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, tag) : undefined;
    const check = typeof kind === 'string' ? kinds.get(kind) : undefined;
    if (check === undefined) problems.push(`${join(path, tag)} must be one of ${[...kinds.keys()].join(', ')}`);
    else check(value, path, problems);
  };
}

export function literal(...allowed: readonly string[]): Check {
  return (value, path, problems) => {
    if (typeof value === 'string' && allowed.includes(value)) return;
    problems.push(`${at(path)} must be ${allowed.join(' or ')}, not ${JSON.stringify(value)}`);
  };
}

/** @param what said when it does not match: `an address` */
export function text(what = 'a text', accept: (value: string) => boolean = () => true): Check {
  return (value, path, problems) => {
    if (typeof value === 'string' && accept(value)) return;
    problems.push(`${at(path)} must be ${what}, not ${JSON.stringify(value)}`);
  };
}

export function integer(min: number, max: number): Check {
  return (value, path, problems) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return;
    problems.push(`${at(path)} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
  };
}

export const flag: Check = (value, path, problems) => {
  if (typeof value !== 'boolean') problems.push(`${at(path)} must be true or false`);
};

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function at(path: string): string {
  return path === '' ? 'the file' : path;
}
