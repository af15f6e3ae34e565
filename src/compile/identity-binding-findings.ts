import type { Finding } from './finding.ts';

// What is said about IdentityBindings, in one place: the rules stay readable, and so do the sentences.

export function noScheme(): Finding {
  return {
    code: 'SMI1601',
    level: 'error',
    path: 'spec.schemes',
    message: 'the binding names nobody; targets that refer to it grant nothing through it',
    fix: 'write serviceAccount, spiffeIdentities or podLabelSelector.matchLabels',
  };
}

export function exclusive(): Finding {
  return {
    code: 'SMI1602',
    level: 'error',
    path: 'spec.schemes',
    message: 'podLabelSelector and serviceAccount exclude each other; the binding stands for nobody until one is gone',
    fix: 'remove one of the two, or write two bindings',
  };
}

export function noSpiffeId(index: number, id: string): Finding {
  return {
    code: 'SMI1603',
    level: 'warning',
    path: `spec.schemes.spiffeIdentities[${index}]`,
    message: `${JSON.stringify(id)} does not begin with spiffe:// and is nobody's identity; it matches nobody`,
    fix: `write spiffe://${id.replace(/^[a-z]+:\/\//i, '')}, if that is the identity`,
  };
}

export function foreignSpiffeId(index: number, id: string, trustDomain: string, namespace: string): Finding {
  return {
    code: 'SMI1604',
    level: 'warning',
    path: `spec.schemes.spiffeIdentities[${index}]`,
    message: `${JSON.stringify(id)} is no workload of namespace ${namespace} in trust domain ${trustDomain}, and a binding stands for workloads of its own namespace only; it matches nobody`,
    fix: `write spiffe://${trustDomain}/ns/${namespace}/sa/<service account>, or create the binding in the workload's namespace`,
  };
}

export function unknownAccount(namespace: string, name: string): Finding {
  return {
    code: 'SMI1605',
    level: 'warning',
    path: 'spec.schemes.serviceAccount',
    message: `ServiceAccount ${namespace}/${name} does not exist; until it does, nobody can be it`,
    fix: 'create the ServiceAccount, or correct the name; a binding names accounts of its own namespace only',
  };
}

export function selectsNobody(): Finding {
  return {
    code: 'SMI1606',
    level: 'info',
    path: 'spec.schemes.podLabelSelector',
    message: 'no pod of the namespace has these labels now; the selector stands for nobody until one has',
    fix: 'nothing, if the pods are still to come; else correct the labels',
  };
}
