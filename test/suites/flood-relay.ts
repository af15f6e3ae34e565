import { tunnelRelay } from './tunnel-relay.ts';

// flood-relay.ts DIR PORT DESTINATION: what comes to the port that it prints goes into a tunnel, as from a sidecar that has
// a good certificate and bad intentions. Ends with standard input.
const [dir = '', port = '', destination = ''] = process.argv.slice(2);
console.log(await tunnelRelay({ dir, after() {} }, Number(port), destination));
process.stdin.on('end', () => process.exit()).resume();
