/** Three things to try, each of which works when it is pasted into another terminal. */
export function hints(kubeconfig: string): string {
  const kubectl = `kubectl --kubeconfig ${kubeconfig}`;
  const commands = [
    `# 1. half of the catalog's traffic for its second version: watch the SPLIT column
${kubectl} apply -f - <<'EOF'
apiVersion: split.smi-spec.io/v1alpha4
kind: TrafficSplit
metadata: { name: catalog, namespace: shop }
spec:
  service: catalog
  backends: [{ service: catalog-v1, weight: 50 }, { service: catalog-v2, weight: 50 }]
EOF`,
    `# 2. take away the front's right to check out: its 403s begin at once
${kubectl} delete traffictarget -n payments web-to-checkout`,
    `# 3. what the front's sidecar knows and does
${kubectl} exec -n shop deploy/web -- sh -c 'curl -s --noproxy "*" "$WEFT_ADMIN/config_dump"'`,
  ];
  return `Three things to try:\n${commands.join('\n')}`; // not indented: a here-document ends only at the line's start
}
