import type { Case } from '../case.ts';
import { ACCESS_CASES } from './access.ts';
import { ADMISSION_CASES } from './admission.ts';
import { ROUTE_CASES } from './routes.ts';
import { SPLIT_CASES } from './splits.ts';

/** Every case. Those that take longest come first, so that none of them is left alone at the end of a run. */
export const CASES: readonly Case[] = [...SPLIT_CASES, ...ACCESS_CASES, ...ROUTE_CASES, ...ADMISSION_CASES];
