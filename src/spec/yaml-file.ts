import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, type ScalarTag } from 'yaml';
import type { Diagnostic, ObjectRef } from '../base/diagnostic.ts';
import { Json } from './json.ts';

/** One Kubernetes object of a YAML or JSON file. */
export interface YamlObject {
  readonly raw: unknown;
  /** `shop.yaml:14`: where the object begins. */
  readonly source: string;
  /** The line (from 1) of a field such as `spec.backends[1].service`, or of the nearest one around it. */
  readonly lineOf: (path: string) => number;
}

export interface YamlLimits {
  readonly maxBytes: number;
  readonly maxObjects: number;
  /** How many nodes aliases may stand for in one document: a few lines of aliases can stand for gigabytes. */
  readonly maxAliases: number;
}

/** Far above any manifest of a person, far below what hurts. */
export const YAML_LIMITS: YamlLimits = { maxBytes: 8 * 1024 * 1024, maxObjects: 20_000, maxAliases: 1_000 };

/**
 * Reads a file of Kubernetes objects: several documents, and `kind: List`. A document that is not well-formed becomes a
 * diagnostic with its line, and the others are read all the same. Never throws.
 * @param file name to show to people
 */
export function readYamlFile(
  file: string,
  text: string,
  limits: YamlLimits = YAML_LIMITS,
): { readonly objects: readonly YamlObject[]; readonly diagnostics: readonly Diagnostic[] } {
  const size = Buffer.byteLength(text);
  if (size > limits.maxBytes) {
    return {
      objects: [],
      diagnostics: [broken(file, `is ${size} bytes long, more than ${limits.maxBytes}`, 'split it')],
    };
  }
  const objects: YamlObject[] = [];
  const diagnostics: Diagnostic[] = [];
  const lines = new LineCounter();
  let documents: Document.Parsed[];
  try {
    documents = parseDocuments(text, lines);
  } catch (error) {
    // tens of thousands of nested brackets exhaust the parser's stack
    return {
      objects: [],
      diagnostics: [broken(file, `cannot be read: ${(error as Error).message}`, 'write it flatter')],
    };
  }
  for (const document of documents) {
    const line = (offset: number | undefined) => (offset === undefined ? 1 : lines.linePos(offset).line);
    for (const { message, pos } of document.errors) {
      diagnostics.push(broken(`${file}:${line(pos[0])}`, `is not YAML: ${message}`, 'correct the text there'));
    }
    if (document.errors.length > 0 || document.contents === null) continue;
    try {
      const raw: unknown = document.toJS({ maxAliasCount: limits.maxAliases });
      if (raw !== null) objects.push(...objectsOf(file, raw, document, line));
    } catch (error) {
      const at = `${file}:${line(document.contents.range?.[0])}`;
      diagnostics.push(broken(at, `cannot be read: ${(error as Error).message}`, 'write its values out'));
    }
  }
  if (objects.length <= limits.maxObjects) return { objects, diagnostics };
  const message = `holds ${objects.length} objects, more than ${limits.maxObjects}`;
  return { objects: [], diagnostics: [...diagnostics, broken(file, message, 'split it')] };
}

/** kubectl reads YAML 1.1: an unquoted `on` is true, and where a text belongs the API server refuses it. */
const YAML11_BOOLEAN: ScalarTag = {
  tag: 'tag:yaml.org,2002:bool',
  default: true,
  test: /^(?:[yY]|yes|Yes|YES|[nN]|no|No|NO|on|On|ON|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|on)/i.test(text),
};

function parseDocuments(text: string, lineCounter: LineCounter): Document.Parsed[] {
  const documents = parseAllDocuments(text, {
    lineCounter,
    prettyErrors: false,
    merge: true,
    logLevel: 'silent',
    customTags: [YAML11_BOOLEAN],
  });
  return 'empty' in documents ? [] : documents;
}

function objectsOf(file: string, raw: unknown, document: Document, line: (offset?: number) => number): YamlObject[] {
  const entry = (value: unknown, prefix: readonly (string | number)[]): YamlObject => {
    const lineOf = (path: string) => line(nodeAt(document, [...prefix, ...steps(path)])?.range?.[0]);
    return { raw: value, source: `${file}:${lineOf('')}`, lineOf };
  };
  const root = new Json(raw, '', []);
  const isList = root.at('kind').value === 'List' && root.at('apiVersion').value === 'v1';
  const items = isList ? root.at('items').items() : undefined;
  if (items === undefined) return [entry(raw, [])];
  return items.map((item, i) => entry(item.value, ['items', i]));
}

function steps(path: string): (string | number)[] {
  return [...path.matchAll(/\[(\d+)\]|[^.[\]]+/g)].map((m) => (m[1] === undefined ? m[0] : Number(m[1])));
}

/** The node at `path`, or the deepest one on the way. For a field of a map it is the key, whose line people look for. */
function nodeAt(document: Document, path: readonly (string | number)[]): Node | undefined {
  let found: Node | undefined = document.contents ?? undefined;
  let container: unknown = document.contents;
  for (const step of path) {
    if (isMap(container)) {
      const pair = container.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
      if (pair === undefined) return found;
      found = pair.key as Node;
      container = pair.value;
    } else if (isSeq(container)) {
      const item = container.items[Number(step)] as Node | undefined;
      if (item === undefined) return found;
      found = item;
      container = item;
    } else return found;
  }
  return found;
}

function broken(source: string, message: string, fix: string): Diagnostic {
  const object: ObjectRef = { apiVersion: '', kind: 'File', namespace: '', name: source.replace(/:\d+$/, ''), source };
  return { code: 'SMI0007', level: 'error', object, path: '', message: `${source} ${message}`, fix };
}
