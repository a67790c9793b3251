/**
 * Serves the page of this folder on the loopback address, bundled for a browser.
 *
 * usage: node dist/examples/browser/serve.js [PORT]
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { ROOT } from '../ledger/place.js';

const FOLDER = join(ROOT, 'examples/browser');

/** It loads nothing but its script, and connects to nothing but WebSockets. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src ws: wss:";

export interface Page {
  /** What a broker calls it in `listen.webSocket.origins`. */
  readonly origin: string;
  close(): Promise<void>;
}

export async function servePage(port = 0): Promise<Page> {
  const { outputFiles } = await build({
    entryPoints: [join(FOLDER, 'page.ts')],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    loader: { '.cgr': 'binary' },
  });
  const files: Record<string, { type: string; body: string }> = {
    '/': { type: 'text/html; charset=utf-8', body: await readFile(join(FOLDER, 'index.html'), 'utf8') },
    '/page.js': { type: 'text/javascript; charset=utf-8', body: outputFiles[0]!.text },
  };
  const server = createServer(({ url = '' }, response) => {
    const file = Object.hasOwn(files, url) ? files[url] : undefined;
    if (file === undefined) return response.writeHead(404).end();
    response.writeHead(200, { 'content-type': file.type, 'content-security-policy': POLICY }).end(file.body);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { origin } = await servePage(Number(process.argv[2] ?? 8080));
  console.log(`open ${origin}/#REFERENCE`);
}
