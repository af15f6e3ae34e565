import type { Case } from '../case.ts';
import { account, everything, rule, service, target } from './objects.ts';

/** Checks 41 and 111 to 114 of docs/smi.md 6: while parts of a mesh start, stop or are busy. */

const about = { api: 'access.smi-spec.io', home: 'policy', group: 'whole-mesh' } as const;

export const WHOLE_MESH_CASES: readonly Case[] = [
  {
    ...about,
    id: 'TT-41',
    check: 41,
    group: 'identity',
    title: "who gets a former caller's address is not taken for it",
    tags: ['S'],
    steps: [
      { apply: [everything, target('open', { sources: [account('$id-first')], rules: [rule(everything)] })] },
      { play: 'address-changes-hands' },
    ],
  },
  {
    ...about,
    id: 'TT-111',
    check: 111,
    title: 'fifty targets and fifty splits that come at once all hold, and no proxy restarts',
    tags: ['S24'],
    steps: [{ play: 'fifty-at-once' }],
  },
  {
    ...about,
    id: 'TT-112',
    check: 112,
    title: 'while the control plane is stopped, the last known policy and split stay',
    tags: ['S'],
    needs: ['controlPlane'],
    alone: true,
    steps: [
      {
        apply: [
          everything,
          target('open', { sources: [account('a')], rules: [rule(everything)] }),
          service('root', '$b'),
        ],
      },
      { play: 'control-plane-stopped' },
    ],
  },
  {
    ...about,
    id: 'TT-113',
    check: 113,
    title: 'a pod that has just started is closed until its policy is there, and never open',
    tags: ['S'],
    steps: [
      {
        apply: [
          everything,
          target('open', { sources: [account('a')], rules: [rule(everything)], destination: account('$id-new') }),
        ],
      },
      { play: 'pod-starts' },
    ],
  },
  {
    ...about,
    id: 'TT-114',
    check: 114,
    title: 'while the proxy of a pod restarts, nobody reaches the app around it',
    tags: ['S'],
    needs: ['proxyRestart'],
    steps: [
      { pods: [{ name: '$id-pod' }] },
      {
        apply: [
          everything,
          target('open', { sources: [account('a')], rules: [rule(everything)], destination: account('$id-pod') }),
        ],
      },
      { play: 'proxy-restarts' },
    ],
  },
];
