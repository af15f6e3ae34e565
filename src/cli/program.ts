import { Command } from 'commander';
import { conformanceCommand, type ConformanceOptions } from './conformance.ts';
import { controllerCommand, type ControllerOptions } from './controller.ts';
import { localCommand, type LocalOptions } from './local.ts';
import { proxyCommand, type ProxyOptions } from './proxy.ts';
import { shopCommand, testappCommand } from './testapp.ts';

/** What each verb does; `main/` supplies these. A handler resolves when its work is done, with the exit code. */
export interface Verbs {
  local(options: LocalOptions): Promise<number>;
  controller(options: ControllerOptions): Promise<number>;
  proxy(options: ProxyOptions): Promise<number>;
  conformance(options: ConformanceOptions): Promise<number>;
  testapp(args: readonly string[]): Promise<number>;
  shop(args: readonly string[]): Promise<number>;
}

/** Told the exit code once a verb has ended. */
export type Exit = (code: number) => void;

/** Builds the command line of `weft`. Parsing it calls exactly one of `verbs`. */
export function program(verbs: Verbs, version: string, exit: Exit): Command {
  const run = (work: Promise<number>) => work.then(exit);
  return new Command('weft')
    .description('Weft: a service mesh that implements the Service Mesh Interface (SMI) with its own sidecar proxy.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help; `weft VERB --help` has the details of a verb')
    .showHelpAfterError('(`weft --help` lists the verbs)')
    .enablePositionalOptions()
    .addCommand(localCommand((options) => run(verbs.local(options))))
    .addCommand(conformanceCommand((options) => run(verbs.conformance(options))))
    .addCommand(controllerCommand((options) => run(verbs.controller(options))))
    .addCommand(proxyCommand((options) => run(verbs.proxy(options))))
    .addCommand(testappCommand((args) => run(verbs.testapp(args))))
    .addCommand(
      shopCommand((args) => run(verbs.shop(args))),
      { hidden: true },
    );
}
