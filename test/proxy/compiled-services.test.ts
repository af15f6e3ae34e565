import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seeded } from '../../src/base/random.ts';
import type { ProxyConfig } from '../../src/mesh/resources.ts';
import { EndpointRegistry } from '../../src/proxy/balance/registry.ts';
import { CompiledServices } from '../../src/proxy/route/compiled-services.ts';
import { buildDirectory } from '../../src/proxy/route/directory.ts';
import { TrafficBook } from '../../src/proxy/traffic-book.ts';
import { configOf, endpointsResource, serviceResource } from '../discovery/fixtures.ts';

/** Follows configurations as a sidecar does; what is asked is asked of the running one. */
function follower() {
  const registry = new EndpointRegistry();
  const random = seeded(1);
  const compiled = new CompiledServices({ registry, random, book: new TrafficBook() });
  let directory = buildDirectory(new Map(), { registry, compiled });
  return {
    registry,
    follow(config: ProxyConfig) {
      directory = buildDirectory(config, { registry, compiled });
      registry.commit();
    },
    refuse(config: ProxyConfig) {
      buildDirectory(config, { registry, compiled });
      registry.rollback();
    },
    port(name: string) {
      const found = directory.byName({ host: `${name}.shop.svc.cluster.local`, port: 80 });
      assert.ok(typeof found === 'object', `${name}: ${String(found)}`);
      return found;
    },
    /** Address of the endpoint that the next connection to the Service gets. */
    picked(name: string) {
      const chosen = this.port(name).chooseTcp(random);
      return typeof chosen === 'object' ? chosen.balancer.pick(0, [])?.endpoint.address : chosen;
    },
  };
}

const [a, b] = [serviceResource('a'), serviceResource('bb')];

test('compiled services: what has not changed is not compiled again, what it leads to is followed', () => {
  const mesh = follower();
  const [ofA, ofB] = [endpointsResource('a', '10.1.0.1'), endpointsResource('bb', '10.1.0.2')];
  mesh.follow(configOf(a, ofA, b, ofB));
  const before = mesh.port('a');
  assert.equal(mesh.picked('a'), '10.1.0.1');
  mesh.follow(configOf(a, ofA, b, endpointsResource('bb', '10.1.0.3')));
  assert.equal(mesh.port('a'), before);
  assert.equal(mesh.picked('bb'), '10.1.0.3');
  mesh.follow(configOf(a, endpointsResource('a', '10.1.0.1', '10.1.0.4'), b, ofB));
  assert.notEqual(mesh.port('a'), before);
  assert.equal(mesh.picked('bb'), '10.1.0.2');
  mesh.follow(configOf(a, b, ofB)); // the pods of a are gone, the Service is not
  assert.equal(mesh.picked('a'), 'NO_ENDPOINTS');
  mesh.follow(configOf(a, ofA, b, ofB));
  assert.equal(mesh.picked('a'), '10.1.0.1');
});

test('compiled services: endpoints of a refused configuration are not those that its successor counts', () => {
  const mesh = follower();
  const ofA = endpointsResource('a', '10.1.0.1');
  mesh.follow(configOf(a));
  mesh.refuse(configOf(a, ofA));
  mesh.follow(configOf(a, ofA));
  const chosen = mesh.port('a').chooseTcp(seeded(1));
  assert.ok(typeof chosen === 'object');
  assert.deepEqual(chosen.balancer.endpoints, [...mesh.registry.values()]);
  assert.equal(chosen.balancer.endpoints[0], [...mesh.registry.values()][0]);
});
