import { isObject, sameJson } from '../json.ts';

type Step = (values: readonly unknown[]) => unknown[];

/**
 * Compiles the JSONPath of kubectl's columns: `.spec.service`, `.a['b.c']`, `.list[0]`, `.list[*].name`, `..name`,
 * `.conditions[?(@.type=="Ready")].status`. Returns undefined when the path does not parse.
 */
export function compileJsonPath(path: string): ((object: unknown) => unknown[]) | undefined {
  const steps = parseSteps(path.startsWith('{') && path.endsWith('}') ? path.slice(1, -1) : path);
  return steps === undefined
    ? undefined
    : (object) => steps.reduce<unknown[]>((values, step) => step(values), [object]);
}

function parseSteps(path: string): Step[] | undefined {
  const steps: Step[] = [];
  let rest = path.startsWith('$') ? path.slice(1) : path;
  while (rest !== '') {
    const parsed = parseStep(rest);
    if (parsed === undefined) return undefined;
    if (parsed.step !== undefined) steps.push(parsed.step);
    rest = rest.slice(parsed.length);
  }
  return steps;
}

function parseStep(rest: string): { step: Step | undefined; length: number } | undefined {
  const field = /^\.((?:[^.[\]\\]|\\.)+)/.exec(rest);
  if (field !== null) {
    const name = (field[1] ?? '').replaceAll(/\\(.)/g, '$1');
    return { step: name === '*' ? children : member(name), length: field[0].length };
  }
  const quoted = /^\.?\[(?:'([^']*)'|"([^"]*)")\]/.exec(rest);
  if (quoted !== null) return { step: member(quoted[1] ?? quoted[2] ?? ''), length: quoted[0].length };
  const all = /^\.?\[\*?\]/.exec(rest);
  if (all !== null) return { step: children, length: all[0].length };
  const at = /^\.?\[(-?\d+)\]/.exec(rest);
  if (at !== null) return { step: element(Number(at[1])), length: at[0].length };
  const range = /^\.?\[(-?\d*):(-?\d*)\]/.exec(rest);
  if (range !== null) return { step: slice(range[1], range[2]), length: range[0].length };
  const filter = /^\.?\[\?\(\s*@([^=!<>\s]*)\s*(?:(==|!=|<=|>=|<|>)\s*(?:'([^']*)'|"([^"]*)"|([^)\s]+)))?\s*\)\]/.exec(
    rest,
  );
  if (filter !== null) return parseFilter(filter);
  const deep = /^\.\.((?:[^.[\]\\]|\\.)+)/.exec(rest);
  if (deep !== null) return { step: descendants(deep[1] ?? ''), length: deep[0].length };
  return rest === '.' ? { step: undefined, length: 1 } : undefined;
}

function parseFilter(parts: RegExpExecArray): { step: Step; length: number } | undefined {
  const path = compileJsonPath(parts[1] ?? '');
  if (path === undefined) return undefined;
  const operator = parts[2];
  const text = parts[3] ?? parts[4];
  const wanted: unknown = text ?? literal(parts[5] ?? '');
  const keep = (value: unknown): boolean => {
    const found = path(value)[0];
    if (operator === undefined) return found !== undefined;
    return compare(found, operator, wanted);
  };
  return { step: (values) => values.flatMap(items).filter(keep), length: parts[0].length };
}

function literal(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function compare(found: unknown, operator: string, wanted: unknown): boolean {
  if (operator === '==') return sameJson(found, wanted);
  if (operator === '!=') return !sameJson(found, wanted);
  if (typeof found !== 'number' || typeof wanted !== 'number') return false;
  return operator === '<'
    ? found < wanted
    : operator === '>'
      ? found > wanted
      : operator === '<='
        ? found <= wanted
        : found >= wanted;
}

function items(value: unknown): unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  return isObject(value) ? Object.values(value) : [];
}

const children: Step = (values) => values.flatMap(items);

function member(name: string): Step {
  return (values) => values.flatMap((v) => (isObject(v) && v[name] !== undefined ? [v[name]] : []));
}

function element(index: number): Step {
  return (values) =>
    values.flatMap((v) => (Array.isArray(v) && v.at(index) !== undefined ? [v.at(index) as unknown] : []));
}

function slice(from = '', to = ''): Step {
  const [a, b] = [from === '' ? undefined : Number(from), to === '' ? undefined : Number(to)];
  return (values) => values.flatMap((v) => (Array.isArray(v) ? (v.slice(a, b) as unknown[]) : []));
}

function descendants(name: string): Step {
  const walk = (value: unknown): unknown[] => {
    const own = isObject(value) && value[name] !== undefined ? [value[name]] : [];
    return [...own, ...items(value).flatMap(walk)];
  };
  return (values) => values.flatMap(walk);
}
