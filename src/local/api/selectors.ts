import type { ApiObject } from '../api-client.ts';
import { badRequest } from './errors.ts';
import { isObject, objectsOf, stringMapOf, stringOf, stringsOf } from './json.ts';

export type Labels = Readonly<Record<string, string>>;
export type LabelMatcher = (labels: Labels) => boolean;

/** Parses `app=web,tier in (a,b),!old`. @throws ApiError 400 */
export function parseLabelSelector(text: string): LabelMatcher {
  const terms = splitTerms(text).map((term) => labelTerm(term.trim(), text));
  return (labels) => terms.every((term) => term(labels));
}

/** Commas separate terms, except within parentheses. */
function splitTerms(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(/,(?![^(]*\))/);
}

const KEY = '[A-Za-z0-9][-A-Za-z0-9_./]*';

function labelTerm(term: string, whole: string): LabelMatcher {
  const set = new RegExp(`^(${KEY})\\s+(in|notin)\\s+\\(([^()]*)\\)$`).exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((v) => v.trim()));
    return operator === 'in'
      ? (labels) => labels[key] !== undefined && values.has(labels[key])
      : (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  const equality = new RegExp(`^(${KEY})\\s*(==|=|!=|>|<)\\s*([-A-Za-z0-9_.]*)$`).exec(term);
  if (equality !== null) {
    const [, key = '', operator, value = ''] = equality;
    switch (operator) {
      case '!=':
        return (labels) => labels[key] !== value;
      case '>':
        return (labels) => Number(labels[key]) > Number(value);
      case '<':
        return (labels) => Number(labels[key]) < Number(value);
      default:
        return (labels) => labels[key] === value;
    }
  }
  const presence = new RegExp(`^(!?)\\s*(${KEY})$`).exec(term);
  if (presence === null) {
    throw badRequest(
      `unable to parse requirement: ${JSON.stringify(term)} of the label selector ${JSON.stringify(whole)}`,
    );
  }
  const [, not, key = ''] = presence;
  return not === '!' ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
}

/** A LabelSelector as objects write it (`matchLabels`, `matchExpressions`). An empty one matches everything. */
export function labelSelectorMatcher(selector: unknown): LabelMatcher {
  if (!isObject(selector)) return () => false;
  const equal = Object.entries(stringMapOf(selector['matchLabels']));
  const expressions = objectsOf(selector['matchExpressions']).map((e) => {
    const key = stringOf(e['key']);
    const values = new Set(stringsOf(e['values']));
    switch (stringOf(e['operator'])) {
      case 'In':
        return (labels: Labels) => labels[key] !== undefined && values.has(labels[key]);
      case 'NotIn':
        return (labels: Labels) => labels[key] === undefined || !values.has(labels[key]);
      case 'Exists':
        return (labels: Labels) => labels[key] !== undefined;
      case 'DoesNotExist':
        return (labels: Labels) => labels[key] === undefined;
      default:
        return () => false;
    }
  });
  return (labels) => equal.every(([k, v]) => labels[k] === v) && expressions.every((matches) => matches(labels));
}

/** Prints a LabelSelector as `kubectl get -o wide` does. */
export function printLabelSelector(selector: unknown): string {
  if (!isObject(selector)) return '<none>';
  const equal = Object.entries(stringMapOf(selector['matchLabels'])).map(([k, v]) => `${k}=${v}`);
  const expressions = objectsOf(selector['matchExpressions']).map((e) => {
    const key = stringOf(e['key']);
    const values = stringsOf(e['values']).sort().join(',');
    switch (stringOf(e['operator'])) {
      case 'In':
        return `${key} in (${values})`;
      case 'NotIn':
        return `${key} notin (${values})`;
      case 'Exists':
        return key;
      default:
        return `!${key}`;
    }
  });
  const all = [...equal.sort(), ...expressions];
  return all.length === 0 ? '<none>' : all.join(',');
}

export interface FieldTerm {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** Parses `metadata.name=a,status.phase!=Running`. @throws ApiError 400 */
export function parseFieldSelector(text: string): readonly FieldTerm[] {
  return text
    .split(',')
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const parts = /^([^=!]+?)\s*(==|=|!=)\s*(.*)$/.exec(term.trim());
      if (parts === null)
        throw badRequest(`invalid field selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(term)}`);
      return { field: parts[1] ?? '', equal: parts[2] !== '!=', value: parts[3] ?? '' };
    });
}

/** Which objects a list or watch is about. */
export function objectMatcher(
  labels: LabelMatcher | undefined,
  fields: readonly FieldTerm[],
  fieldsOf: (object: ApiObject) => Readonly<Record<string, string>>,
): (object: ApiObject) => boolean {
  return (object) => {
    if (labels !== undefined && !labels(object.metadata.labels ?? {})) return false;
    if (fields.length === 0) return true;
    const values = fieldsOf(object);
    return fields.every(({ field, equal, value }) => ((values[field] ?? '') === value) === equal);
  };
}
