import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { identityBinding, trafficTarget } from './access.ts';
import { crd } from './parts.ts';
import { httpRouteGroup, tcpRoute, udpRoute } from './specs.ts';
import { trafficSplit } from './split.ts';

// The CRDs say the same in up to four versions. They are written once, here, and `npm run crds` writes the files beside
// this folder, which everything else reads. A test says when the files are not what this folder makes.

/** File name and text of every CRD. */
export function generatedCrds(): ReadonlyMap<string, string> {
  const kinds = [identityBinding, trafficTarget, httpRouteGroup, tcpRoute, udpRoute, trafficSplit];
  return new Map(
    kinds.map((kind) => {
      const text = stringify(crd(kind), { lineWidth: 120, aliasDuplicateObjects: false, singleQuote: true });
      return [`${kind.group}_${kind.plural}.yaml`, `# Written by npm run crds from smi-crds/source.\n${text}`];
    }),
  );
}

if (import.meta.main) {
  for (const [name, text] of generatedCrds()) writeFileSync(join(import.meta.dirname, '..', name), text);
}
