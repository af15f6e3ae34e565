import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SUITES } from './all.ts';
import { SuiteContext, type Suite, type SuiteOptions } from './suite.ts';

const USAGE = `npm run suites -- [NAME...] [--seconds N] [--count N] [--seed N] [--only TEXT] [--verbose]

${SUITES.map((suite) => `  ${suite.name.padEnd(14)} ${suite.title}`).join('\n')}
`;

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '10' },
      count: { type: 'string', default: '1000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      verbose: { type: 'boolean', default: false },
      only: { type: 'string', default: '' },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((name) => !SUITES.some((suite) => suite.name === name));
  if (values.help || unknown.length > 0) {
    if (unknown.length > 0) console.log(`there is no suite ${unknown.join(', ')}\n`);
    console.log(USAGE);
    return unknown.length > 0 ? 2 : 0;
  }
  const options: SuiteOptions = {
    seconds: number('seconds', values.seconds),
    count: number('count', values.count),
    seed: number('seed', values.seed),
    verbose: values.verbose,
    only: values.only,
  };
  const wanted = positionals.length === 0 ? SUITES : SUITES.filter((suite) => positionals.includes(suite.name));
  const lines: string[] = [];
  let failed = 0;
  for (const suite of wanted) {
    const context = await runSuite(suite, options);
    failed += context.failed;
    lines.push(context.summary());
    console.log(context.summary());
  }
  if (lines.length > 1) console.log(`\n${lines.join('\n')}`);
  return failed > 0 ? 1 : 0;
}

async function runSuite(suite: Suite, options: SuiteOptions): Promise<SuiteContext> {
  console.log(`\n${suite.name}: ${suite.title} (seed ${options.seed})`);
  const dir = mkdtempSync(join(tmpdir(), `weft-suite-${suite.name}-`));
  const context = new SuiteContext(suite, options, dir);
  try {
    await suite.run(context);
    if (context.passed + context.failed + context.skipped === 0) context.fail('the suite', 'no case was run');
  } catch (error) {
    context.fail('the suite', error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await context.close();
    rmSync(dir, { recursive: true, force: true });
  }
  return context;
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} ${text} is no number`);
  return value;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code), // whatever a broken suite has left open
  (error: Error) => {
    console.error(error.message);
    process.exit(2);
  },
);
