import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Each layer, with the layers that it may import. */
const LAYERS: Record<string, readonly string[]> = {
  schema: [],
  rpc: ['schema'],
  client: ['rpc', 'schema'],
  worker: ['rpc', 'schema'],
  broker: ['client', 'worker', 'rpc', 'schema'],
};

/** The packages that a layer may use, beside Node's own modules. What is not here is used by no layer. */
const PACKAGES: Record<string, readonly string[]> = {
  schema: ['capnp-ts'],
  rpc: ['ws'],
  client: [],
  worker: ['acorn', 'esbuild', 'piscina', 'ses'],
  broker: ['commander', 'esbuild', 'lmdb', 'msgpackr', 'pino', 'zod'],
};

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return sources(path);
    return path.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const forms = [
    /^(?:import|export)\b[^'"`;]*?\bfrom\s+'([^']+)'/gm,
    /^import\s+'([^']+)'/gm,
    /\bimport\('([^']+)'\)/g,
  ];
  return forms.flatMap((form) => [...text.matchAll(form)].map(([, specifier]) => specifier!));
}

describe.each(Object.keys(LAYERS))('the layer %s', (layer) => {
  const files = sources(join(root, layer));

  it('imports downward only', () => {
    const wrong: string[] = [];
    for (const file of files) {
      for (const specifier of importsOf(file).filter((each) => each.startsWith('.'))) {
        const target = relative(root, resolve(dirname(file), specifier)).split('/')[0]!;
        if (target !== layer && !LAYERS[layer]!.includes(target))
          wrong.push(`${relative(root, file)} imports ${specifier}`);
      }
    }
    expect(files.length).toBeGreaterThan(0);
    expect(wrong).toEqual([]);
  });

  it('uses only the packages that it is meant to', () => {
    const wrong: string[] = [];
    for (const file of files) {
      for (const specifier of importsOf(file).filter(
        (each) => !each.startsWith('.') && !each.startsWith('node:'),
      )) {
        const name = specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/');
        if (!PACKAGES[layer]!.includes(name)) wrong.push(`${relative(root, file)} imports ${specifier}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
