import { kubectlMissing } from '../../system/local-mesh.ts';
import { applyLatencies } from './apply.ts';
import { printed } from './quantiles.ts';
import { webhookLatencies } from './webhooks.ts';

// npm run bench:api [-- --isolation auto|netns|process]: how long the SMI API takes, in milliseconds.

const at = process.argv.indexOf('--isolation');
const isolation = at < 0 ? 'auto' : (process.argv[at + 1] ?? 'auto');

console.log('split with 100 backends');
for (const [what, quantiles] of await webhookLatencies()) console.log(`  ${what}: ${printed(quantiles)}`);
if (kubectlMissing !== false) console.log(`kubectl apply: skipped, ${kubectlMissing}`);
else {
  console.log(`kubectl apply of a split in local mode (isolation ${isolation})`);
  for (const [what, quantiles] of await applyLatencies(isolation)) console.log(`  ${what}: ${printed(quantiles)}`);
}
