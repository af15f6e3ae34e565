import { Json } from '../spec/json.ts';
import { type KubernetesApi, MERGE_PATCH } from './api.ts';
import { isConflict, isNotFound } from './error.ts';

export interface SecretOptions {
  readonly api: Pick<KubernetesApi, 'call'>;
  readonly namespace: string;
  readonly name: string;
}

/** One key of one Secret, shared by every replica of the controller. */
export interface SecretValue {
  /**
   * The stored text. When there is none, stores `initial()` and gives that back, unless another replica was faster:
   * then theirs. The namespace is made when it is missing.
   * @throws KubernetesError when the API server refuses
   */
  readOrCreate(initial: () => string, signal: AbortSignal): Promise<string>;
  write(text: string, signal: AbortSignal): Promise<void>;
}

const KEY = 'state';

/** Keeps a text in a Secret of type Opaque under the key `state`. */
export function secretValue({ api, namespace, name }: SecretOptions): SecretValue {
  const collection = `/api/v1/namespaces/${namespace}/secrets`;
  const path = `${collection}/${name}`;

  async function read(signal: AbortSignal): Promise<string | undefined> {
    try {
      const secret = new Json(await api.call({ method: 'GET', path }, signal), '', []);
      const encoded = secret.at('data').at(KEY).optionalString();
      return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString('utf8');
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async function create(text: string, signal: AbortSignal): Promise<void> {
    const metadata = { name: namespace, labels: { 'weft.dev/inject': 'disabled' } };
    await unlessThere(
      api.call(
        { method: 'POST', path: '/api/v1/namespaces', body: { apiVersion: 'v1', kind: 'Namespace', metadata } },
        signal,
      ),
    );
    const body = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'Opaque',
      data: { [KEY]: base64(text) },
    };
    await unlessThere(api.call({ method: 'POST', path: collection, body }, signal));
  }

  return {
    async readOrCreate(initial, signal) {
      const present = await read(signal);
      if (present !== undefined) return present;
      await create(initial(), signal);
      const stored = await read(signal); // another replica may have been faster: what is stored counts
      if (stored === undefined)
        throw new Error(`Secret ${namespace}/${name} exists without the key ${KEY}: delete it, or restore its content`);
      return stored;
    },
    async write(text, signal) {
      await api.call(
        { method: 'PATCH', path, contentType: MERGE_PATCH, body: { data: { [KEY]: base64(text) } } },
        signal,
      );
    },
  };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

async function unlessThere(created: Promise<unknown>): Promise<void> {
  try {
    await created;
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
}
