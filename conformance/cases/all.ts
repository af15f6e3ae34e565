import type { Case } from '../case.ts';
import { ACCESS_CASES } from './access.ts';
import { ADMISSION_CASES } from './admission.ts';
import { BINDING_CASES } from './bindings.ts';
import { COMMUNITY_CASES } from './community.ts';
import { ROUTE_CASES } from './routes.ts';
import { SPLIT_CASES } from './splits.ts';
import { STATUS_CASES } from './status.ts';
import { VERSION_CASES } from './versions.ts';
import { WHOLE_MESH_CASES } from './whole-mesh.ts';

/** Every case. Those that take longest come first, so that none of them is left alone at the end of a run. */
export const CASES: readonly Case[] = [
  ...COMMUNITY_CASES,
  ...WHOLE_MESH_CASES,
  ...SPLIT_CASES,
  ...BINDING_CASES,
  ...ACCESS_CASES,
  ...ROUTE_CASES,
  ...VERSION_CASES,
  ...STATUS_CASES,
  ...ADMISSION_CASES,
];
