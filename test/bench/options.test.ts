import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchOptions } from './options.ts';

test('bench options: rows and columns in the order asked for, another checkout last', () => {
  const { rows, columns, rounds } = benchOptions(['--rows', 'hop,h1', '--columns', 'weft,none', '--against', '/x']);
  assert.deepEqual([rows.map(({ id }) => id), columns.length, rounds], [['hop', 'h1'], 3, 5]);
  assert.deepEqual([columns[0]?.id, columns[1]?.id], ['weft', 'none']);
});

test('bench options: a mistake names the option and what it takes', () => {
  const problems: [string[], RegExp][] = [
    [['--rounds', 'x'], /--rounds takes a whole number from 1 on, not 'x'/],
    [['--workers', '0'], /--workers takes a whole number/],
    [['--seconds', '0'], /--seconds takes a number above 0/],
    [['--rows', 'h3'], /there is no row h3, only h1, /],
    [['--columns', 'no mesh'], /there is no column no mesh, only none, /],
    [['--bogus'], /--bogus/],
  ];
  for (const [args, message] of problems) assert.throws(() => benchOptions(args), { message });
});
