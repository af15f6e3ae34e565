import type { Case, Step } from '../case.ts';
import type { KubeObject } from '../kube.ts';
import { http } from './access.ts';
import { account, everything, rule, target, type Subject } from './objects.ts';

/** Checks 18 and 48 to 50 of docs/smi.md 6: callers and destinations that an IdentityBinding names. */

const about = {
  api: 'access.smi-spec.io',
  home: 'policy',
  group: 'identity-binding',
  serves: ['access/v1alpha4'],
} as const;

function binding(name: string, schemes: unknown): KubeObject {
  return {
    apiVersion: 'access.smi-spec.io/v1alpha4',
    kind: 'IdentityBinding',
    metadata: { name: `$id-${name}` },
    spec: { schemes },
  };
}

function bound(name: string): Subject {
  return { kind: 'IdentityBinding', name: `$id-${name}` };
}

/** A target of v1alpha4 from one subject to another. */
function between(source: Subject, destination: Subject = account('$b')): KubeObject {
  const object = target('bound', { sources: [source], rules: [rule(everything)], destination });
  return { ...object, apiVersion: 'access.smi-spec.io/v1alpha4' };
}

const byLabel = (labels: Readonly<Record<string, string>>) => ({ podLabelSelector: { matchLabels: labels } });
const RED = { 'team-$id': 'red' };

function refused(name: string, schemes: unknown): Step {
  return { admission: binding(name, schemes), is: 'refused' };
}

export const BINDING_CASES: readonly Case[] = [
  {
    ...about,
    id: 'API-18',
    check: 18,
    home: 'split',
    title: 'an IdentityBinding with schemes that exclude each other, with none, or with an id that is none is refused',
    tags: ['S', 'A21'],
    steps: [
      refused('both', { ...byLabel({ app: 'a' }), serviceAccount: 'a' }),
      refused('none', {}),
      refused('no-labels', byLabel({})),
      { refusedOrWarned: binding('no-scheme', { spiffeIdentities: ['cluster.local/ns/x/sa/a'] }), mentions: 'spiffe' },
      { admission: binding('account', { serviceAccount: 'a' }), is: 'admitted' },
      { admission: binding('null', { serviceAccount: 'a', podLabelSelector: null }), is: 'admitted' },
    ],
  },
  {
    ...about,
    id: 'TT-48a',
    check: 48,
    title: 'an IdentityBinding by ServiceAccount lets in who runs as it',
    tags: ['S'],
    steps: [
      { apply: [everything, binding('callers', { serviceAccount: 'a' }), between(bound('callers'))] },
      { expect: [http('a', '/', 'allowed'), http('a2', '/', 'allowed'), http('c', '/', 'denied')] },
      { apply: [binding('callers', { serviceAccount: 'c' })] },
      { expect: [http('a', '/', 'denied'), http('c', '/', 'allowed')] },
    ],
  },
  {
    ...about,
    id: 'TT-48b',
    check: 48,
    title: 'an IdentityBinding by SPIFFE ID lets in who has that id',
    tags: ['S'],
    steps: [
      { apply: [everything, binding('callers', { spiffeIdentities: ['$spiffeOfA'] }), between(bound('callers'))] },
      { expect: [http('a', '/', 'allowed'), http('c', '/', 'denied'), http('other/a', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-48c',
    check: 48,
    title: 'an IdentityBinding by pod labels lets in pods while they have the labels',
    tags: ['S', 'A20'],
    steps: [
      { pods: [{ name: '$id-red', account: 'c', labels: RED }] },
      { apply: [everything, binding('callers', byLabel(RED)), between(bound('callers'))] },
      { expect: [http('$id-red', '/', 'allowed'), http('c', '/', 'denied'), http('a', '/', 'denied')] },
      {
        patch: { apiVersion: 'v1', kind: 'Pod', metadata: { name: '$id-red' } },
        with: { metadata: { labels: { 'team-$id': 'blue' } } },
      },
      { expect: [http('$id-red', '/', 'denied')] },
      {
        patch: { apiVersion: 'v1', kind: 'Pod', metadata: { name: '$id-red' } },
        with: { metadata: { labels: RED } },
      },
      { expect: [http('$id-red', '/', 'allowed'), http('c', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-48d',
    check: 48,
    title: 'the schemes of an IdentityBinding add up',
    tags: ['S'],
    steps: [
      {
        apply: [
          everything,
          binding('callers', { spiffeIdentities: ['$spiffeOfA'], serviceAccount: 'c' }),
          between(bound('callers')),
        ],
      },
      { expect: [http('a', '/', 'allowed'), http('c', '/', 'allowed'), http('$b2', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-49',
    check: 49,
    title: 'an IdentityBinding means nobody in another namespace',
    tags: ['S'],
    steps: [
      { apply: [everything, binding('callers', byLabel({ app: 'a' })), between(bound('callers'))] },
      { expect: [http('a', '/', 'allowed'), http('other/a', '/', 'denied'), http('c', '/', 'denied')] },
    ],
  },
  {
    ...about,
    id: 'TT-50',
    check: 50,
    title: 'an IdentityBinding as destination opens its own pods and no other',
    tags: ['S'],
    steps: [
      { pods: [{ name: '$id-twin', account: '$b' }] },
      {
        apply: [everything, binding('store', byLabel({ app: '$b' })), between(account('a'), bound('store'))],
      },
      {
        expect: [
          http('a', '/', 'allowed'),
          http('c', '/', 'denied'),
          http('a', '/', 'denied', { to: { service: '$id-twin' } }),
          http('a', '/', 'denied', { to: { service: '$b2' } }),
        ],
      },
    ],
  },
];
