import { seeded } from '../../../src/base/random.ts';
import { Dice, HOST, type Draft } from './draft.ts';
import { SHAPES } from './known-shapes.ts';

export interface Input {
  /** Names of the shapes in it, for reports. */
  readonly name: string;
  readonly bytes: Buffer;
  /** A clean request that follows on the same connection. */
  readonly canary: Buffer;
  readonly canaryPath: string;
}

const NAMED = Object.entries(SHAPES);

/** The n-th input of a seed: the same bytes on every machine. */
export function makeInput(seed: number, n: number): Input {
  const dice = new Dice(seeded(seed * 1_000_003 + n));
  const names: string[] = [];
  const requests = [bent(dice, n, names)];
  if (dice.chance(0.25)) {
    names.push('|');
    requests.push(bent(dice, n, names));
  }
  let text = requests.join('');
  if (dice.chance(0.12)) {
    names.push('noise');
    text = noise(text, dice);
  }
  const canaryPath = `/canary-${n}`;
  const canary = `GET ${canaryPath} HTTP/1.1\r\nHost: ${HOST}\r\nX-Input: ${n}\r\n\r\n`;
  return {
    name: names.join(' '),
    bytes: Buffer.from(text, 'latin1'),
    canary: Buffer.from(canary, 'latin1'),
    canaryPath,
  };
}

function bent(dice: Dice, n: number, names: string[]): string {
  const draft = plain(dice, n);
  for (let i = dice.oneOf([0, 1, 1, 1, 1, 1, 2, 2, 3]); i > 0; i--) {
    const [name, shape] = dice.oneOf(NAMED);
    names.push(name);
    shape(draft, dice);
  }
  return written(draft);
}

/** A request with nothing wrong about it. */
function plain(dice: Dice, n: number): Draft {
  const method = dice.oneOf(['GET', 'GET', 'HEAD', 'OPTIONS', 'DELETE', 'POST', 'POST', 'POST', 'PUT']);
  const draft: Draft = {
    method,
    target: `/${n}-${dice.below(1000)}`,
    version: 'HTTP/1.1',
    lines: [`Host: ${HOST}`, `X-Input: ${n}`],
    ends: new Map(),
    body: '',
  };
  const bodied = method === 'POST' || method === 'PUT' || dice.chance(0.15);
  if (!bodied) return draft;
  const content = dice.oneOf(CONTENTS)(n);
  if (dice.chance(0.5)) {
    draft.lines.push(`Content-Length: ${content.length}`);
    draft.body = content;
  } else {
    draft.lines.push('Transfer-Encoding: chunked');
    draft.body = chunked(content, dice);
  }
  draft.lines.push('X-After: 2');
  return draft;
}

/** Bodies that would be requests or framing to whoever loses count. */
const CONTENTS: readonly ((n: number) => string)[] = [
  () => 'x',
  () => 'hello world',
  () => '0\r\n\r\n',
  (n) => `GET /smuggled-${n} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  (n) => `0\r\n\r\nGET /smuggled-${n} HTTP/1.1\r\nHost: ${HOST}\r\nX: `,
  () => '5\r\nabcde\r\n0\r\n\r\n',
  () => '\r\n\r\n',
];

function chunked(content: string, dice: Dice): string {
  let out = '';
  for (let at = 0; at < content.length;) {
    const part = content.slice(at, at + 1 + dice.below(content.length));
    at += part.length;
    out += `${part.length.toString(16)}\r\n${part}\r\n`;
  }
  return `${out}0\r\n\r\n`;
}

function written(draft: Draft): string {
  const first = [draft.method, draft.target, draft.version].filter((part) => part !== '').join(' ');
  const head = [first, ...draft.lines, ''].map((line, i) => line + (draft.ends.get(i) ?? '\r\n'));
  return head.join('') + draft.body;
}

const NOISE = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  '\t',
  ' ',
  ':',
  ',',
  ';',
  '0',
  '1',
  'a',
  '\x0b',
  '\x0c',
  '\x7f',
  '\x85',
  '\xa0',
  '\xff',
];

/** A few bytes inserted, replaced or taken away anywhere. */
function noise(text: string, dice: Dice): string {
  let out = text;
  for (let i = 1 + dice.below(3); i > 0; i--) {
    const at = dice.below(out.length);
    const cut = dice.oneOf([0, 0, 1]);
    out = out.slice(0, at) + dice.oneOf(['', ...NOISE]) + out.slice(at + cut);
  }
  return out;
}
