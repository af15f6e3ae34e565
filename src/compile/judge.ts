import type { Diagnostic } from '../base/diagnostic.ts';
import type { Service } from '../spec/kubernetes.ts';
import type { SmiObject } from '../spec/read.ts';
import { compileGroup } from './http-route-group.ts';
import { compileBinding } from './identity-binding.ts';
import { settingsOf, type CompileOptions } from './options.ts';
import { compileTcpRoute } from './tcp-route.ts';
import { compileSplit } from './traffic-split.ts';
import { compileTarget } from './traffic-target.ts';
import { compileUdpRoute } from './udp-route.ts';

/**
 * What the compiler says about one object without looking at others, for admission: the same judgement as at run time,
 * in a world where every Service and ServiceAccount that the object names is there. What depends on others (a route that
 * does not exist yet) is no reason to refuse an object, so it is not said here.
 */
export function judgeAlone(object: SmiObject, options: CompileOptions = {}): readonly Diagnostic[] {
  const { trustDomain, clusterDomain } = settingsOf(options);
  const { namespace } = object.metadata;
  return diagnosticsOf().filter(({ code }) => !NEEDS_OTHERS.has(code));

  function diagnosticsOf(): readonly Diagnostic[] {
    switch (object.kind) {
      case 'HTTPRouteGroup':
        return compileGroup(object).diagnostics;
      case 'TCPRoute':
        return compileTcpRoute(object).diagnostics;
      case 'UDPRoute':
        return compileUdpRoute(object).diagnostics;
      case 'IdentityBinding':
        return compileBinding(object, { trustDomain, isAccount: () => true, selected: [] }).diagnostics;
      case 'TrafficTarget':
        return compileTarget(object, {
          trustDomain,
          mode: 'deny',
          group: () => undefined,
          tcpRoute: () => undefined,
          udpRoute: () => undefined,
          isAccount: () => true,
          binding: () => undefined,
        }).diagnostics;
      case 'TrafficSplit':
        return compileSplit(object, {
          clusterDomain,
          // of "web.other" nobody knows here whether it is a Service of a namespace or a host of the outside
          isNamespace: (name) => name === namespace,
          service: anyService,
          group: () => undefined,
        }).diagnostics;
    }
  }
}

/** Missing references, and what follows from them. */
const NEEDS_OTHERS: ReadonlySet<string> = new Set([
  'SMI1107',
  'SMI1108',
  'SMI1112',
  'SMI1114',
  'SMI1115',
  'SMI1202',
  'SMI1203',
  'SMI1211',
  'SMI1606',
]);

function anyService(key: string): Service {
  const [namespace = '', name = ''] = key.split('/');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace,
      uid: '',
      creationTimestamp: '',
      generation: 0,
      resourceVersion: '',
      labels: new Map(),
      annotations: new Map(),
      ownerReferences: [],
    },
    spec: {
      type: 'ClusterIP',
      clusterIPs: [],
      headless: false,
      ports: [{ name: '', protocol: 'TCP', port: 80, targetPort: 80 }],
    },
  };
}
