import { processLog } from './process-log.ts';
import { ROLES } from './demo/shop.ts';
import { untilInterrupted } from './signals.ts';

/** `weft shop ROLE`: one program of the demo. Address, port and proxy come from the pod's environment. */
export async function shop(args: readonly string[]): Promise<number> {
  const role = ROLES.get(args[0] ?? '');
  if (role === undefined) {
    console.error(`weft shop: no role "${args[0] ?? ''}"; there are: ${[...ROLES.keys()].join(', ')}`);
    return 2;
  }
  const { POD_IP = '127.0.0.1', POD_NAME = 'local', PORT = '0', HTTP_PROXY, LOG_LEVEL = 'info' } = process.env;
  const context = {
    address: POD_IP,
    port: Number(PORT),
    name: POD_NAME,
    route: { proxy: HTTP_PROXY },
    log: processLog(LOG_LEVEL, 'shop'),
  };
  await role(context, untilInterrupted());
  return 0;
}
