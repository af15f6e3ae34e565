import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { program, type Verbs } from '../../src/cli/program.ts';

interface Outcome {
  readonly calls: readonly [verb: string, options: unknown][];
  readonly exit: number | undefined;
  readonly output: string;
}

/** Parses a command line as the shell would hand it over, and tells what was called, printed and exited with. */
async function run(...argv: string[]): Promise<Outcome> {
  const calls: [string, unknown][] = [];
  let exit: number | undefined;
  let output = '';
  const verb = (name: string) => async (options: unknown) => {
    calls.push([name, options]);
    return 7;
  };
  const verbs: Verbs = {
    local: verb('local'),
    controller: verb('controller'),
    proxy: verb('proxy'),
    conformance: verb('conformance'),
    testapp: verb('testapp'),
    shop: verb('shop'),
  };
  const weft = program(verbs, '1.2.3', (code) => (exit = code));
  const write = (text: string) => (output += text);
  for (const command of [weft, ...weft.commands]) captured(command, write);
  await weft.parseAsync(argv, { from: 'user' }).catch((error: { exitCode?: number }) => (exit = error.exitCode));
  return { calls, exit, output };
}

function captured(command: Command, write: (text: string) => void): void {
  command.exitOverride().configureOutput({ writeOut: write, writeErr: write });
}

test('weft: the exit code is what the verb says', async () => {
  assert.deepEqual(await run('testapp', '--anything', 'x'), {
    calls: [['testapp', ['--anything', 'x']]],
    exit: 7,
    output: '',
  });
});

test('weft: --version prints the version', async () => {
  assert.equal((await run('--version')).output, '1.2.3\n');
});

test('weft: every verb explains itself', async () => {
  for (const verb of ['local', 'controller', 'proxy', 'conformance']) {
    const { output, exit } = await run(verb, '--help');
    assert.equal(exit, 0);
    assert.match(output, new RegExp(`Usage: weft ${verb}`));
    assert.ok(output.split('\n').length > 8, `${verb} --help is thin`);
    assert.doesNotMatch(output, /default: (\{|false)/, 'defaults are shown as they are written');
  }
});

test('weft: an unknown verb, flag or value is named', async () => {
  assert.match((await run('lokal')).output, /unknown command 'lokal'[\s\S]*Did you mean local/);
  assert.match((await run('local', '--no-demos')).output, /unknown option '--no-demos'/);
  assert.match((await run('local', '--isolation', 'vm')).output, /Allowed choices are auto, netns, process/);
  assert.match((await run('controller', '--listen', 'nowhere')).output, /Expected HOST:PORT/);
  assert.match((await run('proxy', '--pod', 'web')).output, /Expected NAMESPACE\/NAME/);
  assert.match((await run('conformance', '--parallel', '0')).output, /whole number of at least 1/);
});

test('weft proxy: says which options a connected sidecar still needs', async () => {
  const { output, exit } = await run('proxy', '--controller', '127.0.0.1:15010');
  assert.equal(exit, 1);
  assert.match(output, /--config FILE.*--ca-file --token-file --pod --pod-address/s);
});

test('weft local: the demo and captured traffic are the default', async () => {
  const [call] = (await run('local')).calls;
  assert.deepEqual(call, ['local', { demo: true, isolation: 'auto', policy: 'permissive', logLevel: 'warn' }]);
});
