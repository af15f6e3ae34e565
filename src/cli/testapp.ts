import { Command } from 'commander';

/** `weft testapp`: the program in the conformance suite's pods. Its own arguments are passed through untouched. */
export function testappCommand(run: (args: readonly string[]) => Promise<void>): Command {
  return passThrough('testapp', 'the program that conformance test pods run', run);
}

/** `weft shop`: the programs of the demo. */
export function shopCommand(run: (args: readonly string[]) => Promise<void>): Command {
  return passThrough('shop', 'the programs of the demo shop', run);
}

function passThrough(name: string, summary: string, run: (args: readonly string[]) => Promise<void>): Command {
  return new Command(name)
    .summary(summary)
    .argument('[args...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action((args: string[]) => run(args));
}
