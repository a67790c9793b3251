/** The class files, by the folders that they lie in: chapters of the table. */

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DenialClass } from './denial-class.js';
import type { EscapeClass } from './escape-class.js';

export const CHAPTERS = {
  code: 'Reaching code',
  errors: 'Errors and stacks',
  promises: 'Promises, proxies, symbols',
  channels: 'Channels',
  configuration: 'Configuration',
  language: 'What the language grows',
} as const;

export type Chapter = keyof typeof CHAPTERS | 'denial';

/** A class, and the file that it is written in, from this folder's parent on. */
export interface Filed<Class> {
  readonly file: string;
  readonly class: Class;
}

export const filedEscapes = (chapter: keyof typeof CHAPTERS): Promise<Filed<EscapeClass>[]> =>
  filed<EscapeClass>(chapter);
export const filedDenials = (): Promise<Filed<DenialClass>[]> => filed<DenialClass>('denial');

async function filed<Class>(chapter: Chapter): Promise<Filed<Class>[]> {
  const folder = new URL(`../${chapter}/`, import.meta.url);
  const names = readdirSync(folder).filter((name) => name.endsWith('.ts'));
  return Promise.all(
    names.sort().map(async (name) => {
      const path = fileURLToPath(new URL(name, folder));
      const module = (await import(/* @vite-ignore */ path)) as { default: Class };
      return { file: `${chapter}/${name}`, class: module.default };
    }),
  );
}
