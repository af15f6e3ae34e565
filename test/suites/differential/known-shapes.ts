import { HOST, type Dice, type Draft, type Shape } from './draft.ts';

/** Puts a line somewhere among the fields, in front of or behind those that it quarrels with. */
function insert(draft: Draft, dice: Dice, ...lines: string[]): void {
  for (const line of lines) draft.lines.splice(dice.below(draft.lines.length + 1), 0, line);
}

function without(draft: Draft, name: string): void {
  draft.lines = draft.lines.filter((line) => !line.toLowerCase().startsWith(`${name}:`));
}

const TRANSFER_ENCODINGS = [
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked\x0c',
  'Transfer-Encoding: chunked\0',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding:',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer\x00-Encoding: chunked',
  'Transfer_Encoding: chunked',
  'transfer-encoding: chunked',
];

const CONTENT_LENGTHS = [
  '+5', '-0', '-1', '05', '0x5', '5 5', '5,5', '5, 6', '5;', '1e1', '1_0', '5.0', '', ' 5 ', '\t5', '5\x0b', '\xa05',
  '18446744073709551621', '9007199254740992', '4294967301', '0', '1', '3', '1000',
]; // prettier-ignore

const CHUNK_SIZES = [
  '0x5', '+5', '-5', ' 5', '5 ', '\t5', '5\t', '0_5', '5;', '5;a=b', '5;a="b;c"', '5 ;a', '5;\n', '5;\r', '5;a\0', '05',
  '000000005', '00000000000000005', '100000005', '10000000000000005', 'g', '', ';a', '5,', '5\x0b', '5\xa0',
  `5;${'e'.repeat(200)}`,
]; // prettier-ignore

const TARGETS = [
  '/a/../b', '//a', '/%2e%2e/a', '/a%2f..%2fb', '/a\\b', '/a;p=1', '/%00', '/a%', '/a%zz', '/%c0%af', '/%252e', '/a.',
  '/./a', '/a/.', '/a#b', '/\xe9', '/a?b#c', '/a?%00', '/..;/a', '/a/%2E/b', '/a%20b', '*', 'a', '/a b', '/~a', '/%7ea',
  '?a', `http://${HOST}`, `http://${HOST}/a`, `http://${HOST}?a`, `HTTP://${HOST.toUpperCase()}/a`, 'http://other/a',
  `http://user@${HOST}/a`, 'http:///a', `https://${HOST}/a`, 'ftp://x/', `${HOST}:80`,
]; // prettier-ignore

const CONNECTIONS = [
  'close', 'keep-alive', 'content-length', 'transfer-encoding', 'host', 'x-input', 'close, x-input', 'keep-alive, close',
  'upgrade', 'te', ', ,', '\xa0close', 'content-length, transfer-encoding', 'expect', 'close\r\nConnection: keep-alive',
]; // prettier-ignore

const TRAILERS = [
  'X-T: 1', 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Host: evil', 'X T: 1', 'X-T : 1', 'no colon', 'X: a\r\n b',
  'X: a\nY: b', 'X: a\rY: b', 'Authorization: x', ': empty', 'X: \0',
]; // prettier-ignore

/** Replaces the part of a chunked body that a pattern finds. */
function inChunks(draft: Draft, pattern: RegExp, by: string): void {
  if (!draft.lines.some((line) => /^transfer-encoding/i.test(line))) {
    without(draft, 'content-length');
    draft.method = 'POST';
    draft.lines.push('Transfer-Encoding: chunked');
    draft.body = '5\r\nhello\r\n0\r\n\r\n';
  }
  draft.body = draft.body.replace(pattern, by.replaceAll('$', '$$$$'));
}

/** The shapes of ambiguity that smuggling has been built from (RFC 9112 11, suites of others, CVEs). */
export const SHAPES: Readonly<Record<string, Shape>> = {
  'cl+te': (draft, dice) =>
    insert(draft, dice, `Content-Length: ${dice.oneOf(['0', '3', '5', '6'])}`, 'Transfer-Encoding: chunked'),
  'cl twice': (draft, dice) =>
    insert(
      draft,
      dice,
      `Content-Length: ${draft.body.length}`,
      `Content-Length: ${dice.oneOf([0, 1, draft.body.length])}`,
    ),
  'cl form'(draft, dice) {
    without(draft, 'content-length');
    insert(draft, dice, `Content-Length: ${dice.oneOf(CONTENT_LENGTHS)}`);
    if (draft.body === '') draft.body = 'hello';
  },
  'cl name': (draft, dice) =>
    insert(
      draft,
      dice,
      dice.oneOf([
        'Content_Length: 5',
        'Content-Length : 5',
        ' Content-Length: 5',
        'Content-Length\0: 5',
        'X: y\nContent-Length: 5',
        'X: y\rContent-Length: 5',
        'Content-Length:\r\n 5',
      ]),
    ),
  'cl off by some': (draft, dice) =>
    (draft.lines = draft.lines.map((line) =>
      line.startsWith('Content-Length: ')
        ? `Content-Length: ${Math.max(0, draft.body.length + dice.oneOf([-4, -1, 1, 20]))}`
        : line,
    )),
  'te form'(draft, dice) {
    without(draft, 'transfer-encoding');
    insert(draft, dice, dice.oneOf(TRANSFER_ENCODINGS));
    if (draft.body === '') draft.body = dice.oneOf(['5\r\nhello\r\n0\r\n\r\n', '0\r\n\r\n']);
  },
  'te beside': (draft, dice) => insert(draft, dice, dice.oneOf(TRANSFER_ENCODINGS)),
  'te in 1.0'(draft) {
    draft.version = 'HTTP/1.0';
    inChunks(draft, /^$/, '');
  },
  'chunk size': (draft, dice) => inChunks(draft, /^[0-9a-f]+/, dice.oneOf(CHUNK_SIZES)),
  'chunk line end': (draft, dice) =>
    inChunks(
      draft,
      dice.oneOf([/^[0-9a-f]+\r\n/, /\r\n0\r\n/, /0\r\n\r\n$/]),
      dice.oneOf(['5\n', '\n0\n', '0\n\n', '0\r\n\n', '\r0\r', '5\r']),
    ),
  'chunk end missing': (draft) => inChunks(draft, /\r\n0\r\n\r\n$/, '0\r\n\r\n'),
  'chunk of other length': (draft, dice) => inChunks(draft, /^[0-9a-f]+/, dice.oneOf(['1', '2', 'ff'])),
  'last chunk form': (draft, dice) =>
    inChunks(
      draft,
      /0\r\n\r\n$/,
      dice.oneOf(['00\r\n\r\n', '0;x\r\n\r\n', '0x0\r\n\r\n', '-0\r\n\r\n', '0 \r\n\r\n', '0\r\n', '\r\n\r\n']),
    ),
  trailers: (draft, dice) => inChunks(draft, /0\r\n\r\n$/, `0\r\n${dice.oneOf(TRAILERS)}\r\n\r\n`),
  'obs-fold': (draft, dice) =>
    insert(draft, dice, dice.oneOf(['X-Fold: a\r\n b', 'X-Fold:\r\n\tb', ' X: y', 'X: a\r\n \r\n b', '\tHost: other'])),
  'bare lf': (draft, dice) => void draft.ends.set(dice.below(draft.lines.length + 2), '\n'),
  'all bare lf'(draft) {
    for (let i = 0; i < draft.lines.length + 2; i++) draft.ends.set(i, '\n');
  },
  'bare cr': (draft, dice) => void draft.ends.set(dice.below(draft.lines.length + 2), '\r'),
  'cr cr lf': (draft, dice) => void draft.ends.set(dice.below(draft.lines.length + 2), '\r\r\n'),
  'odd field': (draft, dice) =>
    insert(
      draft,
      dice,
      dice.oneOf([
        'X : y',
        'X\t: y',
        ': y',
        'no colon',
        'X Y: z',
        'X\0: y',
        'X: y\0z',
        'X: y\rz',
        'X: \x7f',
        '\xe9: x',
        'X(y): z',
        '"X": y',
        'X:y',
        'X:',
        '__proto__: x',
        'X: \x1b[0m',
        'X: \xff',
      ]),
    ),
  'request line': (draft, dice) => {
    const bend = dice.oneOf<(draft: Draft) => void>([
      (d) => (d.method = `${d.method} `),
      (d) => (d.target = `${d.target} `),
      (d) => (d.version = `${d.version} `),
      (d) => (d.method = `\r\n${d.method}`),
      (d) => (d.method = `\n${d.method}`),
      (d) => (d.method = ` ${d.method}`),
      (d) => (d.method = `${d.method}\t`),
      (d) => (d.target = `${d.target}\t`),
      (d) => (d.target = `${d.target} HTTP/1.1 x`),
      (d) => (d.target = `${d.target}\0`),
      (d) => (d.target = `${d.target}\r`),
    ]);
    bend(draft);
  },
  method: (draft, dice) =>
    void (draft.method = dice.oneOf([
      'get',
      'Get',
      'PURGE',
      'PATCH',
      'TRACE',
      'CONNECT',
      'GE:T',
      'G\0ET',
      'M-SEARCH',
      'X'.repeat(40),
      'PRI',
      'GET/',
    ])),
  version: (draft, dice) =>
    void (draft.version = dice.oneOf([
      'HTTP/1.0',
      'HTTP/1.0',
      'HTTP/0.9',
      'HTTP/1.2',
      'HTTP/1.10',
      'HTTP/2.0',
      'HTTP/01.1',
      'http/1.1',
      'HTTP/1',
      'HTTP/1.1x',
      '',
    ])),
  'keep-alive in 1.0'(draft) {
    draft.version = 'HTTP/1.0';
    draft.lines.push('Connection: keep-alive');
  },
  target: (draft, dice) => void (draft.target = dice.oneOf(TARGETS)),
  'host twice': (draft, dice) => insert(draft, dice, `Host: ${dice.oneOf([HOST, 'other'])}`),
  'host form': (draft, dice) => {
    without(draft, 'host');
    const host = dice.oneOf([
      '',
      undefined,
      'a b',
      'a@b',
      'a/b',
      'a:',
      'a:99999',
      '[::1',
      `${HOST}:80`,
      `${HOST},other`,
      '\xe9',
      'a\\b',
    ]);
    if (host !== undefined) insert(draft, dice, `Host: ${host}`);
  },
  'absolute and host': (draft, dice) =>
    void (draft.target = `http://${dice.oneOf([HOST, 'other', `${HOST}:81`])}${draft.target}`),
  expect: (draft, dice) =>
    insert(
      draft,
      dice,
      dice.oneOf([
        'Expect: 100-continue',
        'Expect: 100-Continue',
        'Expect: 200-ok',
        'Expect: 100-continue, x',
        'Expect:\r\n 100-continue',
        'Expect: ',
      ]),
    ),
  upgrade: (draft, dice) => {
    const named = dice.oneOf([
      ['Connection: Upgrade'],
      ['Connection: upgrade, HTTP2-Settings', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA'],
      [],
    ]);
    if (dice.chance(0.7)) insert(draft, dice, 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==');
    insert(draft, dice, `Upgrade: ${dice.oneOf(['websocket', 'h2c', 'websocket, h2c', 'x'])}`, ...named);
  },
  connection: (draft, dice) => insert(draft, dice, `Connection: ${dice.oneOf(CONNECTIONS)}`),
  'te field': (draft, dice) =>
    insert(
      draft,
      dice,
      dice.oneOf([
        'TE: trailers',
        'TE: chunked',
        'TE: trailers, deflate;q=0.5',
        'Trailer: X-T',
        'Trailer: Content-Length',
      ]),
    ),
  'body that nobody announced': (draft, dice) =>
    void (draft.body += dice.oneOf([
      '\r\n',
      '\n',
      '0\r\n\r\n',
      'G',
      'GET /tail HTTP/1.1\r\n',
      `GET /tail HTTP/1.1\r\nHost: ${HOST}\r\nX: `,
    ])),
  'h2 preface behind': (draft) => void (draft.body += 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
};
