import assert from 'node:assert/strict';
import { type KubernetesApi, MERGE_PATCH } from '../../src/kubernetes/api.ts';
import { isConflict, KubernetesError } from '../../src/kubernetes/error.ts';
import { routeGroup, split, targetSpec, trafficSplit } from '../spec/objects.ts';

type Raw = Record<string, unknown>;

interface Stored extends Raw {
  readonly apiVersion: string;
  readonly metadata: Raw & {
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}

/**
 * What clients of different versions do with the SMI API, on whatever API server that asks Weft's webhooks: the embedded
 * one and a real one must agree. Each step is one thing that a client relies on.
 */
export function smiApiSteps(api: KubernetesApi, namespace: string, signal: AbortSignal) {
  const path = (group: string, version: string, plural: string, name = '') =>
    `/apis/${group}.smi-spec.io/${version}/namespaces/${namespace}/${plural}${name === '' ? '' : `/${name}`}`;
  const call = async (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', at: string, body?: unknown, type?: string) =>
    (await api.call(
      {
        method,
        path: at,
        ...(body === undefined ? {} : { body }),
        ...(type === undefined ? {} : { contentType: type }),
      },
      signal,
    )) as Stored;
  /** Reads an object and writes it back changed; again when somebody (a mesh that writes its status) came in between. */
  const rewrite = async (at: string, change: (seen: Stored) => Raw): Promise<{ seen: Stored; written: Stored }> => {
    for (;;) {
      const seen = await call('GET', at);
      try {
        return { seen, written: await call('PUT', at, change(seen)) };
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
  };
  const named = (raw: Raw, name: string, apiVersion?: string): Raw => ({
    ...raw,
    ...(apiVersion === undefined ? {} : { apiVersion }),
    metadata: { name, namespace },
  });
  const splits = (version: string, name = '') => path('split', version, 'trafficsplits', name);
  const weights = (object: Stored) =>
    ((object['spec'] as { backends: { weight: unknown }[] }).backends ?? []).map(({ weight }) => weight);

  return {
    async 'every published version is served'() {
      for (const [group, versions] of [
        ['access', 4],
        ['specs', 4],
        ['split', 4],
      ] as const) {
        const found = (await api.call({ method: 'GET', path: `/apis/${group}.smi-spec.io` }, signal)) as {
          versions: { version: string }[];
        };
        assert.deepEqual(found.versions.map(({ version }) => version).sort(), ['v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4'].slice(0, versions)); // prettier-ignore
      }
    },

    async 'quantities of split v1alpha1 are whole numbers for everybody else'() {
      const created = await call('POST', splits('v1alpha1'), named(split('1', '500m'), 'q', 'split.smi-spec.io/v1alpha1')); // prettier-ignore
      assert.deepEqual([created.apiVersion, weights(created)], ['split.smi-spec.io/v1alpha1', ['1', '500m']]);
      for (const version of ['v1alpha2', 'v1alpha3', 'v1alpha4']) {
        assert.deepEqual(weights(await call('GET', splits(version, 'q'))), [1000, 500]);
        const { items } = (await api.call({ method: 'GET', path: splits(version) }, signal)) as { items: Stored[] };
        assert.deepEqual(weights(items.find(({ metadata }) => metadata['name'] === 'q')!), [1000, 500]);
      }
    },

    async 'an object that is read and written back unchanged stays as it is, in every version (clients.md M5)'() {
      await call('POST', splits('v1alpha4'), named(conditional(), 'same'));
      for (const version of ['v1alpha1', 'v1alpha2', 'v1alpha3', 'v1alpha4']) {
        const { seen, written } = await rewrite(splits(version, 'same'), (same) => same);
        assert.equal(written.metadata.resourceVersion, seen.metadata.resourceVersion, version);
      }
    },

    async 'a client of split v1alpha2 patches weights, and the split stays conditional (smi.md check 16)'() {
      await call('POST', splits('v1alpha4'), named(conditional(), 'patched'));
      const backends = [{ service: 'web-v1', weight: 50 }];
      await call('PATCH', splits('v1alpha2', 'patched'), { spec: { backends } }, MERGE_PATCH);
      const stored = await call('GET', splits('v1alpha4', 'patched'));
      assert.deepEqual(stored['spec'], { ...(conditional()['spec'] as Raw), backends });
      assert.equal(stored.metadata.annotations, undefined);
    },

    async 'a client of split v1alpha1 applies, and nothing of another owner is lost'() {
      await call('POST', splits('v1alpha4'), named(conditional(), 'applied'));
      const mine = named(split('10', '90'), 'applied', 'split.smi-spec.io/v1alpha1');
      const at = `${splits('v1alpha1', 'applied')}?fieldManager=older&force=true`;
      await call('PATCH', at, mine, 'application/apply-patch+yaml');
      const stored = await call('GET', splits('v1alpha4', 'applied'));
      assert.deepEqual(weights(stored), [10, 90]);
      assert.deepEqual((stored['spec'] as Raw)['matches'], (conditional()['spec'] as Raw)['matches']);
    },

    async 'headers of a group survive a client of specs v1alpha1 (smi.md check 17)'() {
      const group = named(routeGroup({ name: 'a', headers: { 'x-a': '1' } }, { name: 'b', headers: [{ 'x-b': '2' }] }), 'g'); // prettier-ignore
      await call('POST', path('specs', 'v1alpha4', 'httproutegroups'), group);
      const { seen } = await rewrite(path('specs', 'v1alpha1', 'httproutegroups', 'g'), labelled);
      assert.deepEqual(seen['matches'], [{ name: 'a' }, { name: 'b' }]);
      const stored = await call('GET', path('specs', 'v1alpha4', 'httproutegroups', 'g'));
      assert.deepEqual([stored['spec'], stored.metadata['labels']], [group['spec'], { a: 'b' }]);
    },

    async 'the port of a target of access v1alpha2 is kept (smi.md check 14)'() {
      const spec = { ...targetSpec(), destination: { kind: 'ServiceAccount', name: 'web', port: 8080 } };
      const target = named({ kind: 'TrafficTarget', spec }, 't', 'access.smi-spec.io/v1alpha2');
      await call('POST', path('access', 'v1alpha2', 'traffictargets'), target);
      const newer = await call('GET', path('access', 'v1alpha3', 'traffictargets', 't'));
      assert.deepEqual((newer['spec'] as Raw)['destination'], { kind: 'ServiceAccount', name: 'web' });
      assert.equal(newer.metadata.annotations?.['weft.dev/kept-older-fields'], '{"destinationPort":8080}');
      const withoutSources = (seen: Stored) => ({ ...seen, spec: { ...(seen['spec'] as Raw), sources: [] } });
      await rewrite(path('access', 'v1alpha3', 'traffictargets', 't'), withoutSources);
      const older = await call('GET', path('access', 'v1alpha1', 'traffictargets', 't'));
      assert.deepEqual([older['destination'], older['sources'], older.metadata.annotations], [spec.destination, [], undefined]); // prettier-ignore
    },

    async 'ports of a TCPRoute survive a rewrite through specs v1alpha3 (smi.md check 15)'() {
      const route = { kind: 'TCPRoute', spec: { matches: { ports: [8080] } } };
      await call('POST', path('specs', 'v1alpha4', 'tcproutes'), named(route, 'r', 'specs.smi-spec.io/v1alpha4'));
      const { seen } = await rewrite(path('specs', 'v1alpha3', 'tcproutes', 'r'), labelled);
      assert.deepEqual(seen['spec'], {});
      const stored = await call('GET', path('specs', 'v1alpha4', 'tcproutes', 'r'));
      assert.deepEqual(stored['spec'], route.spec);
    },

    async 'a watch in an older version tells of changes by newer ones, in the older version'() {
      await call('POST', splits('v1alpha4'), named(conditional(), 'watched'));
      const { metadata } = (await api.call({ method: 'GET', path: splits('v1alpha1') }, signal)) as Stored;
      await call('PATCH', splits('v1alpha4', 'watched'), { metadata: { labels: { a: 'b' } } }, MERGE_PATCH);
      const stop = new AbortController();
      const both = AbortSignal.any([signal, stop.signal]);
      const lines = api.lines(`${splits('v1alpha1')}?watch=1&resourceVersion=${metadata.resourceVersion}`, both);
      for await (const line of lines) {
        const { type, object } = line as { type: string; object: Stored };
        if (object.metadata['name'] !== 'watched') continue;
        assert.deepEqual([type, object.apiVersion], ['MODIFIED', 'split.smi-spec.io/v1alpha1']);
        assert.equal((object['spec'] as Raw)['matches'], undefined);
        break;
      }
      stop.abort();
    },

    async 'what means nothing is refused with field, reason and fix'() {
      const refused = async (at: string, body: Raw) => {
        const error: unknown = await call('POST', at, body).catch((e: unknown) => e);
        assert.ok(error instanceof KubernetesError, JSON.stringify(error));
        return `${error.status} ${error.message}`;
      };
      const bad = named(routeGroup({ name: 'a', pathRegex: '(' }), 'bad');
      assert.match(await refused(path('specs', 'v1alpha4', 'httproutegroups'), bad), /^422 .*spec.matches\[0\].pathRegex: the pattern .*; fix: .*SMI1301/s); // prettier-ignore
      const other = trafficSplit({ service: 'web', backends: [{ service: 'a.other.svc', weight: 1 }] });
      assert.match(await refused(splits('v1alpha4'), named(other, 'bad')), /spec.backends\[0\].service: .*SMI1210/s);
      assert.match(await refused(splits('v1alpha2'), named(split(1.5), 'bad', 'split.smi-spec.io/v1alpha2')), /^422 /);
      assert.match(await refused(splits('v1alpha1'), named(split('-1'), 'bad', 'split.smi-spec.io/v1alpha1')), /^422 /);
      assert.match(await refused(splits('v1alpha1'), named(split('x'), 'bad', 'split.smi-spec.io/v1alpha1')), /^422 /);
    },

    async 'a split of a Service on itself is admitted (clients.md M6)'() {
      const self = trafficSplit({ service: 'web', backends: [{ service: 'web', weight: '100' }] });
      const created = await call('POST', splits('v1alpha1'), named(self, 'self', 'split.smi-spec.io/v1alpha1'));
      assert.deepEqual(weights(created), ['100']);
    },

    async 'leftovers of published samples are admitted, strictly (smi.md 1.1)'() {
      const subject = { kind: 'ServiceAccount', name: 'web', group: '', port: 80 };
      const target = {
        kind: 'TrafficTarget',
        spec: { destination: subject, sources: [subject], rules: [{ kind: 'UDPRoute', name: 'x' }] },
      };
      const strict = (at: string) => `${at}?fieldValidation=Strict&dryRun=All`;
      await call('POST', strict(path('access', 'v1alpha3', 'traffictargets')), named(target, 'l', 'access.smi-spec.io/v1alpha3')); // prettier-ignore
      const group = { ...routeGroup({ name: 'a' }), matches: [{ name: 'b' }] };
      await call('POST', strict(path('specs', 'v1alpha3', 'httproutegroups')), named(group, 'l', 'specs.smi-spec.io/v1alpha3')); // prettier-ignore
      const matches = [{ kind: 'HTTPRouteGroup', name: 'x', apiGroup: 'specs.smi-spec.io' }];
      await call('POST', strict(splits('v1alpha3')), named(trafficSplit({ service: 'web', backends: [], matches }), 'l', 'split.smi-spec.io/v1alpha3')); // prettier-ignore
    },
  } satisfies Readonly<Record<string, () => Promise<void>>>;
}

function labelled(seen: Stored): Raw {
  return { ...seen, metadata: { ...seen.metadata, labels: { a: 'b' } } };
}

function conditional(): Raw {
  const backends = [
    { service: 'web-v1', weight: 0 },
    { service: 'web-v2', weight: 100 },
  ];
  const matches = [{ kind: 'HTTPRouteGroup', name: 'firefox' }];
  return trafficSplit({ service: 'web', backends, matches });
}
