import type { Case } from '../case.ts';
import { account, everything, routeGroup, rule, service, split, target } from './objects.ts';

/** Conditions of SMI objects, for meshes that have them: what happened to an object can be read off it. */

const about = { group: 'status', tags: ['T'], needs: ['conditions'] } as const satisfies Partial<Case>;
const open = target('open', { sources: [account('a')], rules: [rule(everything)] });
const v1Root = [service('root', 'v1'), service('v1', 'v1'), service('v2', 'v2'), service('v3', 'v3')];
const older = split('older', '$id-root', { v2: 1 });
const younger = split('younger', '$id-root', { v3: 1 });

export const STATUS_CASES: readonly Case[] = [
  {
    ...about,
    id: 'TT-22g',
    check: 22,
    title: 'a target that is in force says so',
    api: 'access.smi-spec.io',
    home: 'policy',
    steps: [
      { apply: [everything, open] },
      { condition: open, name: 'accepted', is: true },
      { condition: open, name: 'resolved', is: true },
      { condition: open, name: 'programmed', is: true },
      { expect: [{ from: 'a', to: { service: '$b' }, is: 'allowed' }] },
    ],
  },
  {
    ...about,
    id: 'TT-29b',
    check: 29,
    title: 'a target that names something absent says what, until it is there',
    api: 'access.smi-spec.io',
    home: 'policy',
    steps: [
      { apply: [open] },
      { condition: open, name: 'resolved', is: false, mentions: '$id-everything' },
      { apply: [everything] },
      { condition: open, name: 'resolved', is: true },
    ],
  },
  {
    ...about,
    id: 'HR-10',
    check: 10,
    title: 'a route group that is in force says so',
    api: 'specs.smi-spec.io',
    home: 'policy',
    steps: [
      { apply: [routeGroup('routes', { any: { path: '/' } })] },
      { condition: routeGroup('routes', {}), name: 'accepted', is: true },
    ],
  },
  {
    ...about,
    id: 'TS-74b',
    check: 74,
    title: 'a split whose backend is missing says which, until it is there',
    api: 'split.smi-spec.io',
    home: 'split',
    steps: [
      { apply: [service('root', 'v1'), service('v1', 'v1'), split('split', '$id-root', { v1: 1, v2: 1 })] },
      { condition: split('split', '$id-root', {}), name: 'resolved', is: false, mentions: '$id-v2' },
      { apply: [service('v2', 'v2')] },
      { condition: split('split', '$id-root', {}), name: 'resolved', is: true },
      { condition: split('split', '$id-root', {}), name: 'programmed', is: true },
    ],
  },
  {
    ...about,
    id: 'TS-87b',
    check: 87,
    title: 'of two splits on one root the younger says that it has lost, and to whom',
    api: 'split.smi-spec.io',
    home: 'split',
    steps: [
      { apply: [...v1Root, older] },
      { pauseMs: 1100 },
      { apply: [younger] },
      { condition: younger, name: 'conflicted', is: true, mentions: '$id-older' },
      { condition: older, name: 'conflicted', is: false },
      { remove: [older] },
      { condition: younger, name: 'conflicted', is: false },
    ],
  },
];
