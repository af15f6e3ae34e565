/** A collection of cases that attack Weft or judge it, run by `npm run suites -- NAME` (docs/suites.md). */
export interface Suite {
  readonly name: string;
  /** One line for the overview. */
  readonly title: string;
  /** Cases that fail and are understood: name -> reason. They count as skipped; one that passes all the same is a failure. */
  readonly known?: Readonly<Record<string, string>>;
  run(context: SuiteContext): Promise<void>;
}

/** What the command line may change. */
export interface SuiteOptions {
  /** How long each flood lasts. */
  readonly seconds: number;
  /** Of everything random. Printed, so that a failure can be repeated. */
  readonly seed: number;
  /** How many random cases of each kind. */
  readonly count: number;
  readonly verbose: boolean;
  /** Only cases whose name contains this. */
  readonly only: string;
}

/** What a suite is given: options, a place for files, and where to say what came out. */
export class SuiteContext {
  readonly options: SuiteOptions;
  /** Folder of this run; gone afterwards. */
  readonly dir: string;
  passed = 0;
  failed = 0;
  skipped = 0;
  readonly #suite: Suite;
  readonly #cleanups: (() => unknown)[] = [];

  constructor(suite: Suite, options: SuiteOptions, dir: string) {
    this.#suite = suite;
    this.options = options;
    this.dir = dir;
  }

  pass(name: string): void {
    const reason = this.#suite.known?.[name];
    if (reason !== undefined) return this.#failed(name, `passes, and is listed as known to fail (${reason})`);
    this.passed++;
    if (this.options.verbose) console.log(`  ok    ${name}`);
  }

  fail(name: string, why: string): void {
    const reason = this.#suite.known?.[name];
    if (reason === undefined) return this.#failed(name, why);
    this.skip(name, `known to fail: ${reason}`);
  }

  #failed(name: string, why: string): void {
    this.failed++;
    console.log(`  FAIL  ${name}\n        ${why.replaceAll('\n', '\n        ')}`);
  }

  skip(name: string, why: string): void {
    this.skipped++;
    console.log(`  skip  ${name}: ${why}`);
  }

  /** Whether the command line asks for this case. */
  wants(name: string): boolean {
    return name.includes(this.options.only);
  }

  note(text: string): void {
    console.log(`  ${text}`);
  }

  /** Runs one case: what it throws is its failure. */
  async case(name: string, run: () => unknown): Promise<void> {
    try {
      await run();
    } catch (error) {
      return this.fail(name, error instanceof Error ? error.message : String(error));
    }
    this.pass(name);
  }

  /** Registers what must be undone when the suite is over, last first. */
  after(cleanup: () => unknown): void {
    this.#cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }

  summary(): string {
    return `${this.#suite.name}: ${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`;
  }
}
