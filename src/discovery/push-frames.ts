import type { Encoded } from './versions.ts';

/** A frame is closed when it has this many characters. Small enough that other streams get their turn in between. */
const FRAME_CHARACTERS = 256 * 1024;

/** The frames of one push, each made when it is asked for. There is always one, for a push without changes too. */
export function* pushFrames(
  push: number,
  { upserts, removed }: { readonly upserts: readonly Encoded[]; readonly removed: readonly string[] },
): Generator<string> {
  let parts: string[] = [];
  let keys: string[] = [];
  let size = 0;
  const frame = (more: boolean) => {
    const text = `{"type":"push","push":${push},"more":${more},"removed":[${keys.join(',')}],"upserts":[${parts.join(',')}]}`;
    [parts, keys, size] = [[], [], 0];
    return text;
  };
  for (const key of removed) {
    if (size > FRAME_CHARACTERS) yield frame(true);
    const text = JSON.stringify(key);
    keys.push(text);
    size += text.length;
  }
  for (const { version, json } of upserts) {
    if (size > 0 && size + json.length > FRAME_CHARACTERS) yield frame(true);
    parts.push(`{"version":"${version}","resource":${json}}`);
    size += json.length + version.length + 30;
  }
  yield frame(false);
}
