/**
 * Node's options for a sidecar. Part of the key of its compile cache, so whoever fills that needs the same. A young generation of more than
 * 4 MB makes requests dearer and keeps more of what a flood leaves behind (docs/performance.md).
 */
export const SIDECAR_FLAGS: readonly string[] = ['--disable-sigusr1', '--max-semi-space-size=4'];
