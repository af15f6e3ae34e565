/**
 * Several maps read as one; an earlier layer hides the same key in later ones. Two thousand proxies share the layer of
 * the mesh's services this way instead of copying it.
 */
export class LayeredMap<V> implements ReadonlyMap<string, V> {
  readonly #layers: readonly ReadonlyMap<string, V>[];

  constructor(layers: readonly ReadonlyMap<string, V>[]) {
    this.#layers = layers;
  }

  get(key: string): V | undefined {
    for (const layer of this.#layers) {
      const value = layer.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  has(key: string): boolean {
    return this.#layers.some((layer) => layer.has(key));
  }

  get size(): number {
    let size = 0;
    for (const _ of this.entries()) size++;
    return size;
  }

  *entries(): MapIterator<[string, V]> {
    for (const [depth, layer] of this.#layers.entries()) {
      for (const entry of layer) if (!this.#hidden(entry[0], depth)) yield entry;
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this);
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  #hidden(key: string, depth: number): boolean {
    for (let i = 0; i < depth; i++) if (this.#layers[i]?.has(key)) return true;
    return false;
  }
}
