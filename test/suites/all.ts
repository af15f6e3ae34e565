import { connect } from './connect.ts';
import { differential } from './differential.ts';
import { floods } from './flood.ts';
import { fuzz } from './fuzz.ts';
import { grpc } from './grpc.ts';
import { h1Vectors } from './h1-vectors.ts';
import { h2spec } from './h2spec.ts';
import { h2specd } from './h2specd.ts';
import { slowhttptest } from './slowhttptest.ts';
import type { Suite } from './suite.ts';

/** In the order in which `npm run suites` runs them. */
export const SUITES: readonly Suite[] = [
  h1Vectors,
  fuzz,
  differential,
  h2spec,
  h2specd,
  grpc,
  connect,
  floods,
  slowhttptest,
];
