import type { Service } from '../spec/kubernetes.ts';
import { listed, listedPorts, type Finding } from './finding.ts';

// What is said about TrafficSplits, in one place: the rules stay readable, and so do the sentences.

export function noSpec(): Finding {
  return {
    code: 'SMI1201',
    level: 'error',
    path: 'spec',
    message: 'the split has no spec; it has no effect',
    fix: 'write spec.service and spec.backends',
  };
}

export function rootIsHost(written: string, namespace: string): Finding {
  return {
    code: 'SMI1202',
    level: 'warning',
    path: 'spec.service',
    message: `no Service of namespace ${namespace} is named ${written}; the split has no effect`,
    fix: `name a Service of namespace ${namespace}, as svc or svc.${namespace}`,
  };
}

export function rootMissing(key: string): Finding {
  return {
    code: 'SMI1202',
    level: 'warning',
    path: 'spec.service',
    message: `Service ${key} does not exist; the split has no effect until it does`,
    fix: `create Service ${key}, or correct spec.service`,
  };
}

export function missingBackend(
  path: string,
  key: string,
  weight: number,
  total: number,
  takers: readonly string[],
): Finding {
  const fix = `create Service ${key}, or remove it from spec.backends`;
  if (weight === 0) {
    const message = `gives no traffic to Service ${key}, which does not exist`;
    return { code: 'SMI1203', level: 'info', path, message, fix };
  }
  const share = `${Math.round((weight / total) * 1000) / 10}%`;
  const then =
    takers.length === 0
      ? 'nobody else can take that share'
      : `${listed(takers)} ${takers.length === 1 ? 'takes' : 'take'} that share`;
  return {
    code: 'SMI1203',
    level: 'error',
    path,
    message: `sends ${share} of its traffic to Service ${key}, which does not exist; until it does, ${then}`,
    fix,
  };
}

export function portAbsent(path: string, backend: Service, root: Service, ports: readonly number[]): Finding {
  const key = keyOf(backend);
  const same = ports.length === 1 ? 'that number' : 'those numbers';
  return {
    code: 'SMI1204',
    level: 'warning',
    path,
    message: `Service ${key} has no TCP ${listedPorts(ports)}; there it gets no traffic from Service ${keyOf(root)}`,
    fix: `add ${listedPorts(ports)} to Service ${key}; backends are called on ${same}, whatever their target port is`,
  };
}

export function nobodyTakes(ports: readonly number[], allZero: boolean): Finding {
  const why = allZero ? 'all weights are zero' : 'no backend can take traffic';
  return {
    code: 'SMI1205',
    level: 'error',
    path: 'spec.backends',
    message: `${why} on ${listedPorts(ports)}; requests there are refused with SPLIT_WITHOUT_BACKEND`,
    fix: 'give a backend that exists and has the port a weight above zero, or delete the split',
  };
}

export function olderRules(winner: string, root: string): Finding {
  return {
    code: 'SMI1206',
    level: 'warning',
    path: 'spec.service',
    message: `${winner} splits Service ${root} as well, for all requests, and is older; this split has no effect`,
    fix: 'delete one of the two, or give this one spec.matches',
  };
}

export function negativeWeight(index: number, weight: number): Finding {
  return {
    code: 'SMI1207',
    level: 'warning',
    path: `spec.backends[${index}].weight`,
    message: `weight ${weight} is below zero and counts as 0; the backend gets no traffic`,
    fix: 'write a whole number from 0 up',
  };
}

export function scaledWeights(whole: readonly number[]): Finding {
  return {
    code: 'SMI1208',
    level: 'warning',
    path: 'spec.backends',
    message: `weights are whole numbers below 1000000001; these count as ${listed(whole)}, in the same proportion`,
    fix: 'write whole numbers in the proportion you want',
  };
}

export function externalName(path: string, key: string, effect: string): Finding {
  return {
    code: 'SMI1209',
    level: 'error',
    path,
    message: `Service ${key} is an ExternalName, which has no endpoints to send to; ${effect}`,
    fix: 'name a Service with endpoints',
  };
}

export function otherNamespace(path: string, other: string, own: string, effect: string): Finding {
  return {
    code: 'SMI1210',
    level: 'error',
    path,
    message: `names a Service of namespace ${other}, and a split works within its own namespace only; ${effect}`,
    fix: `name a Service of namespace ${own}`,
  };
}

export function backendIsHost(path: string, written: string): Finding {
  return {
    code: 'SMI1210',
    level: 'error',
    path,
    message: `${JSON.stringify(written)} is not the name of a Service; this backend gets no traffic`,
    fix: "name a Service of the split's namespace",
  };
}

export function missingGroup(index: number, name: string): Finding {
  return {
    code: 'SMI1211',
    level: 'error',
    path: `spec.matches[${index}].name`,
    message: `HTTPRouteGroup ${name} does not exist in the split's namespace; until it does, it matches no request`,
    fix: `create HTTPRouteGroup ${name}, or correct the name`,
  };
}

export function matchKind(index: number, kind: string): Finding {
  return {
    code: 'SMI1212',
    level: 'error',
    path: `spec.matches[${index}].kind`,
    message: `kind ${kind} cannot select requests; this item matches none`,
    fix: 'use kind: HTTPRouteGroup',
  };
}

export function duplicateBackend(path: string, key: string): Finding {
  return {
    code: 'SMI1213',
    level: 'info',
    path,
    message: `Service ${key} is listed more than once; its weights are added up`,
    fix: 'list each backend once',
  };
}

export function udpPorts(root: Service, ports: readonly number[]): Finding {
  return {
    code: 'SMI1214',
    level: 'info',
    path: 'spec.service',
    message: `UDP is not split; ${listedPorts(ports)} of Service ${keyOf(root)} keeps plain Kubernetes balancing`,
    fix: 'nothing, if that is meant',
  };
}

export function opaqueConditional(root: string, ports: readonly number[]): Finding {
  return {
    code: 'SMI1215',
    level: 'warning',
    path: 'spec.matches',
    message: `${listedPorts(ports)} of Service ${root} is opaque TCP, which has no requests to match; this split does not apply there`,
    fix: 'set appProtocol: http on the port if it speaks HTTP, or split without matches',
  };
}

export function unready(path: string, key: string, ports: readonly number[], others: boolean): Finding {
  return {
    code: 'SMI1216',
    level: 'warning',
    path,
    message: `Service ${key} has no ready endpoints on ${listedPorts(ports)}; ${others ? 'the other backends take its share' : 'no backend has any there, and requests are refused with NO_ENDPOINTS'}`,
    fix: `look at the pods that Service ${key} selects`,
  };
}

function keyOf(service: Service): string {
  return `${service.metadata.namespace}/${service.metadata.name}`;
}
