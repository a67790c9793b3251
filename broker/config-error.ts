/**
 * Puts what zod found wrong with a configuration into words: the path, what was found, what is allowed, and what was
 * probably meant. Only names and short values of the operator's own file are repeated.
 */

import { z } from 'zod';

/** The problems that `issue` stands for, a line each. */
export function describeIssue(issue: z.core.$ZodIssue, schema: z.ZodType): string[] {
  switch (issue.code) {
    case 'unrecognized_keys': {
      const allowed = keysAt(schema, issue.path);
      return issue.keys.map((key) => {
        const meant = nearest(key, allowed);
        const hint = meant === null ? '' : ` (did you mean ${meant}?)`;
        return `${printPath([...issue.path, key])}: unknown key; allowed are ${allowed.join(', ')}${hint}`;
      });
    }
    case 'invalid_key':
      return [`${printPath(issue.path)}: ${issue.issues[0]?.message ?? issue.message}`];
    case 'invalid_value': {
      const allowed = issue.values.map((value) => JSON.stringify(value));
      const meant = typeof issue.input === 'string' ? nearest(issue.input, issue.values.map(String)) : null;
      const hint = meant === null ? '' : ` (did you mean '${meant}'?)`;
      return [`${printPath(issue.path)}: expected ${oneOf(allowed)}, found ${show(issue.input)}${hint}`];
    }
    case 'invalid_type':
      return [
        issue.input === undefined
          ? `${printPath(issue.path)}: missing; expected ${article(issue.expected)}`
          : `${printPath(issue.path)}: expected ${article(issue.expected)}, found ${show(issue.input)}`,
      ];
    case 'too_small':
    case 'too_big': {
      if (issue.origin !== 'number' && issue.origin !== 'int') {
        return [`${printPath(issue.path)}: ${issue.message}, found ${show(issue.input)}`];
      }
      const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      return [`${printPath(issue.path)}: expected ${bound}, found ${show(issue.input)}`];
    }
    case 'invalid_union':
    case 'invalid_format':
      return [`${printPath(issue.path)}: ${issue.message}, found ${show(issue.input)}`];
    default:
      return [`${printPath(issue.path)}: ${issue.message}`];
  }
}

/** `domains.ledger.grants["a b"].methods[0]` */
export function printPath(path: readonly PropertyKey[]): string {
  let printed = '';
  for (const part of path) {
    if (typeof part === 'number') printed += `[${part}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(String(part)))
      printed += `${printed === '' ? '' : '.'}${String(part)}`;
    else printed += `[${JSON.stringify(String(part))}]`;
  }
  return printed === '' ? 'the whole' : printed;
}

/** The keys that the object at `path` may have. */
function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at = bare(schema);
  for (const part of path) {
    if (at instanceof z.ZodObject) at = bare(at.shape[String(part)]);
    else if (at instanceof z.ZodRecord) at = bare(at.valueType);
    else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

/** Without what makes it optional, gives it a default, or prepares what is written for it. */
function bare(schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined {
  let at = schema;
  for (;;) {
    if (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodPrefault)
      at = at.unwrap();
    else if (at instanceof z.ZodPipe) at = at.out;
    else return at;
  }
}

function nearest(found: string, allowed: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(found.length / 3)) + 1;
  for (const candidate of allowed) {
    const steps = distance(found.toLowerCase(), candidate.toLowerCase());
    if (steps < least) [best, least] = [candidate, steps];
  }
  return best;
}

/** Levenshtein's: how many characters must be added, taken away or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (value === null || ['number', 'boolean', 'undefined', 'bigint'].includes(typeof value))
    return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'function' ? 'a function' : 'an object';
}

function article(type: string): string {
  const known: Record<string, string> = {
    object: 'an object',
    record: 'an object',
    array: 'a list',
    int: 'a whole number',
  };
  return known[type] ?? `a ${type}`;
}

function oneOf(values: readonly string[]): string {
  if (values.length < 2) return values.join();
  return `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}
