import assert from 'node:assert/strict';
import { readObject, type SnapshotKind } from '../../src/spec/read.ts';
import { SnapshotStore } from '../../src/spec/snapshot-store.ts';
import type { Snapshot } from '../../src/spec/snapshot.ts';
import { readYamlFile } from '../../src/spec/yaml-file.ts';

/** Raw objects of a YAML text, in written order. */
export function yamlObjects(text: string, file = 'test.yaml'): unknown[] {
  const { objects, diagnostics } = readYamlFile(file, text);
  assert.deepEqual(diagnostics, []);
  return objects.map((object) => object.raw);
}

/** A Snapshot of raw objects. */
export function snapshotOf(raws: readonly unknown[], store = new SnapshotStore()): Snapshot {
  for (const raw of raws) store.upsert(raw, { kind: kindOf(raw) });
  return store.snapshot();
}

/** A Snapshot of a YAML text. */
export function snapshotOfYaml(text: string): Snapshot {
  return snapshotOf(yamlObjects(text));
}

export function kindOf(raw: unknown): SnapshotKind {
  return (raw as { kind: SnapshotKind }).kind;
}

/** One object, read; fails when it cannot be. */
export function readOne(raw: unknown): NonNullable<ReturnType<typeof readObject>['object']> {
  const { object, diagnostics } = readObject(raw);
  assert.ok(object, JSON.stringify(diagnostics));
  return object;
}
