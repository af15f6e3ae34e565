import { testapp as runTestapp } from '../../conformance/testapp/testapp.ts';
import { untilInterrupted } from './signals.ts';

/** `weft testapp`: the program of the conformance suite's pods. */
export function testapp(args: readonly string[]): Promise<number> {
  const { env, stdin, stdout } = process;
  return runTestapp(args, { env, stdin, stdout }, untilInterrupted());
}
