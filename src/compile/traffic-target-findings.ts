import type { TrafficTargetRule } from '../spec/smi.ts';
import { listedPorts, type Finding } from './finding.ts';

// What is said about TrafficTargets, in one place: the rules stay readable, and so do the sentences.

export function otherNamespace(path: string, other: string, own: string): Finding {
  return {
    code: 'SMI1102',
    level: 'error',
    path,
    message: `the destination is in namespace ${other}, which only targets of that namespace may open; nothing is granted`,
    fix: `create the TrafficTarget in namespace ${other}, or name a destination in ${own}`,
  };
}

export function subjectKind(path: string, kind: string): Finding {
  return {
    code: 'SMI1103',
    level: 'error',
    path: `${path}.kind`,
    message: `kind ${kind} is not known as a subject; this ${path === 'spec.destination' ? 'target grants' : 'source is granted'} nothing`,
    fix: 'use kind: ServiceAccount or IdentityBinding',
  };
}

export function nobody(path: string, key: string): Finding {
  return {
    code: 'SMI1104',
    level: 'error',
    path,
    message: `${JSON.stringify(key)} is not the name of a ServiceAccount, and there are no wildcards; it stands for nobody`,
    fix: 'name one ServiceAccount; to let everybody in, set the namespace annotation weft.dev/policy: permissive',
  };
}

export function ruleKind(path: string, kind: string): Finding {
  return {
    code: 'SMI1109',
    level: 'error',
    path,
    message: `kind ${kind} is not known as a rule; the whole target grants nothing until it is corrected`,
    fix: 'use HTTPRouteGroup, TCPRoute or UDPRoute',
  };
}

export function empty(code: string, path: string, what: string, fix: string): Finding {
  return { code, level: 'warning', path, message: `${what}; it grants nothing`, fix };
}

export function missingRoute(rule: TrafficTargetRule, path: string): Finding {
  return {
    code: 'SMI1107',
    level: 'error',
    path: `${path}.name`,
    message: `${rule.kind} ${rule.name} does not exist in the target's namespace; this rule grants nothing until it does`,
    fix: `create ${rule.kind} ${rule.name}, or correct the name`,
  };
}

export function missingEntry(rule: TrafficTargetRule, name: string, path: string, known: readonly string[]): Finding {
  return {
    code: 'SMI1108',
    level: 'error',
    path,
    message: `${rule.kind} ${rule.name} has no entry named ${JSON.stringify(name)}; this name grants nothing`,
    fix:
      known.length === 0
        ? 'leave matches out to mean all of it'
        : `use one of ${known.map((entry) => JSON.stringify(entry)).join(', ')}`,
  };
}

export function noEntries(path: string): Finding {
  return {
    code: 'SMI1110',
    level: 'warning',
    path: `${path}.matches`,
    message: 'the list of entries is there and empty; this rule grants nothing',
    fix: 'leave matches out to grant every entry of the route, or name some',
  };
}

export function udpNotCarried(path: string): Finding {
  return {
    code: 'SMI1111',
    level: 'warning',
    path,
    message: 'UDP does not pass through the mesh yet; this rule grants no TCP and no HTTP',
    fix: 'name a TCPRoute or an HTTPRouteGroup for what shall pass over TCP',
  };
}

export function unknownAccount(namespace: string, name: string, path: string): Finding {
  return {
    code: 'SMI1112',
    level: 'warning',
    path: `${path}.name`,
    message: `ServiceAccount ${namespace}/${name} does not exist; until it does, nobody can be it`,
    fix: `create the ServiceAccount, or correct the name${path === 'spec.destination' ? '' : ' or the namespace'}`,
  };
}

export function notEnforced(namespace: string): Finding {
  return {
    code: 'SMI1113',
    level: 'info',
    path: '',
    message: `the policy of namespace ${namespace} is permissive: what no target grants gets in as well`,
    fix: 'set the namespace annotation weft.dev/policy: deny (or audit, to see first what it would refuse)',
  };
}

export function otherPort(port: number, ports: readonly number[]): Finding {
  return {
    code: 'SMI1120',
    level: 'warning',
    path: 'spec.destination.port',
    message: `the target opens port ${port} only, and its TCPRoutes name ${listedPorts(ports)}; it grants nothing`,
    fix: 'name the same port in both, or leave one of them out',
  };
}

export function emptyLayer(http: boolean): Finding {
  return {
    code: 'SMI1114',
    level: 'warning',
    path: 'spec.rules',
    message: `HTTP rules hold on the ports of the target's TCPRoutes only, and its ${http ? 'HTTP rules match no request' : 'TCPRoutes name no port'}; the target grants nothing`,
    fix: `correct the ${http ? 'HTTPRouteGroup rules' : 'TCPRoute rules'}, or split the target in two`,
  };
}

export function missingBinding(key: string, path: string): Finding {
  return {
    code: 'SMI1115',
    level: 'error',
    path: `${path}.name`,
    message: `IdentityBinding ${key} does not exist; until it does, it stands for nobody`,
    fix: `create IdentityBinding ${key}, or correct the name`,
  };
}
