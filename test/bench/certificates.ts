import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { createAuthority } from '../../src/identity/authority.ts';
import { spiffeId } from '../../src/mesh/spiffe.ts';

/** Writes `ca.pem` and, for the sides a and b, `.pem`, `.key` and both in `-both.pem` into `dir`: SVIDs that also carry the name `SIDE.mesh`. */
export async function writeCertificates(dir: string): Promise<void> {
  const authority = createAuthority({ clock: systemClock, trustDomain: 'bench.local' });
  for (const side of ['a', 'b']) {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signed = authority.sign({
      identity: spiffeId({ trustDomain: 'bench.local', namespace: 'bench', serviceAccount: side }),
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      dnsNames: [`${side}.mesh`],
    });
    writeFileSync(join(dir, `${side}.pem`), signed.certificateChain);
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    writeFileSync(join(dir, `${side}.key`), key, { mode: 0o600 });
    writeFileSync(join(dir, `${side}-both.pem`), `${signed.certificateChain}${key}`, { mode: 0o600 });
    writeFileSync(join(dir, 'ca.pem'), signed.trustBundle.join('\n'));
  }
}
