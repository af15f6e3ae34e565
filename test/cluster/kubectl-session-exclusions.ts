/** Where the embedded server may differ from Kubernetes 1.35, and why. At most 30; a test counts them. */
export const EXCLUSIONS: readonly { readonly run: string; readonly fails?: true; readonly why: string }[] = [
  { run: 'explain deployment.spec.strategy', why: 'descriptions of built-in kinds are not served' },
  { run: 'explain service.spec.ports --recursive', why: 'descriptions of built-in kinds are not served' },
  {
    run: '-n weft-session patch configmap one --type=json -p [{"op":"remove","path":"/data/zzz"}]',
    why: 'ours names the missing path; Kubernetes says "the server rejected our request"',
  },
  {
    run: '-n weft-session patch configmap one --type=json -p [{"op":"test","path":"/data/b","value":"x"}]',
    why: 'ours names the failed test; Kubernetes says "the server rejected our request"',
  },
  { run: '-n weft-session get configmap -l a=b=c', why: 'another sentence about the same malformed selector' },
  {
    run: '-n weft-session get deployment web -o json',
    why: 'status.terminatingReplicas (new in 1.35) is not kept by local mode',
  },
  {
    run: '-n weft-session patch deployment web -p {"spec":{"replicas":"two"}}',
    why: 'ours names field and type; Kubernetes says "unrecognized type: int32"',
  },
  {
    run: '-n weft-session get gd',
    fails: true,
    why: 'a kind that is gone: ours answers with a Status, Kubernetes with plain text; kubectl words them differently',
  },
];

/** The same for steps that feed a manifest: by what the manifest contains. */
export const STDIN_EXCLUSIONS: readonly { readonly contains: string; readonly why: string }[] = [
  { contains: 'data: {x: 1}', why: 'ours names field and type; Kubernetes says "cannot convert int64 to string"' },
  { contains: 'spec: {size: big}', why: 'Kubernetes adds a second cause about the scale subresource' },
];
