import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { identityBinding, trafficTarget } from './access.ts';
import { crd } from './parts.ts';
import { httpRouteGroup, tcpRoute, udpRoute } from './specs.ts';
import { trafficSplit } from './split.ts';
import { versionTable, withTable } from './version-table.ts';

// The CRDs say the same in up to four versions. They are written once, here, and `npm run crds` writes the files beside
// this folder, which everything else reads. A test says when the files are not what this folder makes.

const kinds = [trafficTarget, identityBinding, httpRouteGroup, tcpRoute, udpRoute, trafficSplit];
const smiPage = join(import.meta.dirname, '../../docs/smi.md');

/** File name and text of every CRD. */
export function generatedCrds(): ReadonlyMap<string, string> {
  return new Map(
    kinds.map((kind) => {
      const text = stringify(crd(kind), { lineWidth: 120, aliasDuplicateObjects: false, singleQuote: true });
      return [`${kind.group}_${kind.plural}.yaml`, `# Written by npm run crds from smi-crds/source.\n${text}`];
    }),
  );
}

/** The page about SMI as it is, and with the table of versions as it should be. */
export function smiPages(): { readonly current: string; readonly wanted: string } {
  const current = readFileSync(smiPage, 'utf8');
  return { current, wanted: withTable(current, versionTable(kinds)) };
}

if (import.meta.main) {
  writeFileSync(smiPage, smiPages().wanted);
  for (const [name, text] of generatedCrds()) writeFileSync(join(import.meta.dirname, '..', name), text);
}
