import type { Diagnostic } from '../base/diagnostic.ts';
import { parseSpiffeId, spiffeId } from '../mesh/spiffe.ts';
import type { Pod } from '../spec/kubernetes.ts';
import type { IdentityBinding } from '../spec/smi.ts';
import { about, type Finding } from './finding.ts';
import * as say from './identity-binding-findings.ts';

/** Whom an IdentityBinding stands for; always workloads of its own namespace. */
export interface CompiledBinding {
  /** `namespace/name` of the ServiceAccounts that it names. */
  readonly accounts: readonly string[];
  /** SPIFFE IDs of these. */
  readonly principals: readonly string[];
  /** The pods that its labels select, whatever they run as. */
  readonly pods: readonly SelectedPod[];
  readonly diagnostics: readonly Diagnostic[];
}

export interface SelectedPod {
  /** `namespace/name` */
  readonly key: string;
  readonly uid: string;
}

export interface BindingContext {
  readonly trustDomain: string;
  /** Whether a ServiceAccount exists, or a pod runs as it. */
  readonly isAccount: (key: string) => boolean;
  /** What `podsSelectedBy` found. */
  readonly selected: readonly SelectedPod[];
}

/**
 * One binding's meaning. Its schemes are ORed; one that is wrong stands for nobody. podLabelSelector and serviceAccount
 * exclude each other: an object with both came in before the CRD, and whichever of the two was meant, the other would widen
 * it, so it stands for nobody at all.
 */
export function compileBinding(binding: IdentityBinding, context: BindingContext): CompiledBinding {
  const diagnostics: Diagnostic[] = [];
  const report = (finding: Finding) => diagnostics.push(about(binding, finding));
  const { podLabelSelector, spiffeIdentities = [], serviceAccount } = binding.spec?.schemes ?? {};
  const nobody = { accounts: [], principals: [], pods: [], diagnostics };
  if (podLabelSelector === undefined && serviceAccount === undefined && spiffeIdentities.length === 0) {
    report(say.noScheme());
    return nobody;
  }
  if (podLabelSelector !== undefined && serviceAccount !== undefined) {
    report(say.exclusive());
    return nobody;
  }
  if (podLabelSelector !== undefined && context.selected.length === 0) report(say.selectsNobody());
  const accounts = new Set<string>();
  if (serviceAccount !== undefined) addAccount(accounts, binding, serviceAccount, context, report);
  spiffeIdentities.forEach((id, i) => addIdentity(accounts, binding, id, i, context, report));
  const named = [...accounts].sort();
  return {
    accounts: named.map((serviceAccount) => `${binding.metadata.namespace}/${serviceAccount}`),
    principals: named.map((serviceAccount) => identityIn(binding, serviceAccount, context)),
    pods: context.selected,
    diagnostics,
  };
}

type Report = (finding: Finding) => void;

function identityIn({ metadata }: IdentityBinding, serviceAccount: string, { trustDomain }: BindingContext): string {
  return spiffeId({ trustDomain, namespace: metadata.namespace, serviceAccount });
}

function addAccount(
  accounts: Set<string>,
  binding: IdentityBinding,
  name: string,
  context: BindingContext,
  report: Report,
): void {
  const { namespace } = binding.metadata;
  const possible = parseSpiffeId(identityIn(binding, name, context)) !== undefined;
  if (possible) accounts.add(name);
  if (!possible || !context.isAccount(`${namespace}/${name}`)) report(say.unknownAccount(namespace, name));
}

/** An ID of another namespace is that namespace's to give away, and one of another trust domain nobody here can prove. */
function addIdentity(
  accounts: Set<string>,
  { metadata }: IdentityBinding,
  id: string,
  index: number,
  { trustDomain }: BindingContext,
  report: Report,
): void {
  if (!id.startsWith('spiffe://')) return report(say.noSpiffeId(index, id));
  const parsed = parseSpiffeId(id);
  if (parsed?.trustDomain !== trustDomain || parsed.namespace !== metadata.namespace) {
    return report(say.foreignSpiffeId(index, id, trustDomain, metadata.namespace));
  }
  accounts.add(parsed.serviceAccount);
}

/**
 * The pods of a binding's namespace that its labels select, by name. A pod is known by its UID: nobody else ever is the
 * same, whatever becomes of its name and its address (`smi.md` A20). Who has ended calls nobody.
 */
export function podsSelectedBy(binding: IdentityBinding, pods: readonly Pod[]): SelectedPod[] {
  const labels = binding.spec?.schemes?.podLabelSelector?.matchLabels;
  if (labels === undefined || labels.size === 0) return []; // an empty selector is no selector, it means nobody
  const selected: SelectedPod[] = [];
  for (const { metadata, status } of pods) {
    if (metadata.uid === '' || status.phase === 'Succeeded' || status.phase === 'Failed') continue;
    if (![...labels].every(([key, value]) => metadata.labels.get(key) === value)) continue;
    selected.push({ key: `${metadata.namespace}/${metadata.name}`, uid: metadata.uid });
  }
  return selected;
}
