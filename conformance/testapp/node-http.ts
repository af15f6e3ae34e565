/** `node:http`, and not by `import`: that reads every export, and with WebSocket's loads undici, 90 ms of CPU time. */
export const http = process.getBuiltinModule('node:http');
