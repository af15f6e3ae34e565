import type { ColumnKind } from '../column.ts';

/** The app itself: what client and app cost, which every column includes. */
export const none: ColumnKind = {
  id: 'none',
  title: 'no mesh',
  version: () => ({ found: '' }),
  start({ app }) {
    const at = (port: number) => ({ port, pids: [] });
    const entries = {
      http1: at(app.http1),
      grpc: at(app.grpc),
      tcp: at(app.tcp),
      oneHop: at(app.http1),
      oneHopTcp: at(app.tcp),
    };
    return Promise.resolve({ entries, stop: () => Promise.resolve() });
  },
};
