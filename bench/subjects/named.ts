/** Loads one subject by its name, and nothing of the others: for the processes that run it. */

import type { Subject } from './subject.js';

export async function subjectNamed(name: string): Promise<Subject> {
  if (!/^[a-z-]+$/.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a subject`);
  const { subject } = (await import(`./${name}.js`)) as { subject: Subject };
  return subject;
}
