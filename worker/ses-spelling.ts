/**
 * ses looks for `import(`, `<!--` and `-->` with a regular expression, wherever in a text they stand, so an
 * innocent program whose *strings* contain them would be refused (template engines are full of them, and so
 * is what they compile while they run). This respells such literals: the same value, written with an escape in
 * the middle. It must never change what a program means, and never touches anything but string, template and
 * regular expression literals and the name of a method called `import`: real `import(...)` keeps its spelling
 * and is refused. ses looks after this, never before, so that a mistake here opens nothing.
 */

import type { Node } from 'acorn';
import { parseScript, SourceRefused } from './source-guard.js';

interface Literal extends Node {
  value: unknown;
  regex?: unknown;
}

interface Method extends Node {
  key: Node & { name?: string };
  computed: boolean;
}

/** The program with its literals respelt. Throws SourceRefused where the text is no script. */
export function respell(source: string): string {
  const tagged: Node[] = [];
  const literals: Node[] = [];
  const names: Node[] = [];
  parseScript(source, (node) => {
    if (node.type === 'TaggedTemplateExpression') {
      tagged.push(...(node as unknown as { quasi: { quasis: Node[] } }).quasi.quasis);
    } else if (node.type === 'TemplateElement') {
      literals.push(node);
    } else if (node.type === 'Literal') {
      const literal = node as Literal;
      if (typeof literal.value === 'string' || literal.regex !== undefined) literals.push(node);
    } else if (node.type === 'Property' || node.type === 'MethodDefinition') {
      const { key, computed } = node as Method;
      if (!computed && key.type === 'Identifier' && key.name === 'import') names.push(key);
    }
  });
  const edits: Edit[] = [];
  for (const node of literals) edits.push(...escapes(source, node, tagged.includes(node)));
  for (const node of names) edits.push({ start: node.start, end: node.end, text: '"import"' });
  return apply(source, edits);
}

/** What ses looks for. */
const SUSPICIOUS = /<!--|-->|\bimport\s*(?:\(|\/[/*])/;

/**
 * The same for text that a program makes while it runs, in the compartment: text that is no script is left as it
 * is, for the engine to say so.
 */
export function respellDynamic(source: string): string {
  if (!SUSPICIOUS.test(source)) return source;
  try {
    return respell(source);
  } catch {
    return source;
  }
}

interface Edit {
  start: number;
  end: number;
  text: string;
}

/**
 * The character that is escaped never follows a backslash, nor does its escape change the meaning of a
 * regular expression: `(?<!--x)` stays a lookbehind, and `[!--]` stays a range.
 */
const SPELLINGS = [
  { pattern: /<!--/g, offset: 3, length: 1, text: '\\x2D' },
  { pattern: /-->/g, offset: 2, length: 1, text: '\\x3E' },
  { pattern: /\bimport(?=\s*(?:\(|\/[/*]))/g, offset: 1, length: 1, text: '\\x6D' },
];

function escapes(source: string, node: Node, tagged: boolean): Edit[] {
  const { start, end } = node;
  const raw = source.slice(start, end);
  const edits: Edit[] = [];
  for (const { pattern, offset, length, text } of SPELLINGS) {
    for (const match of raw.matchAll(pattern)) {
      if (tagged) {
        const line = source.slice(0, start).split('\n').length;
        throw new SourceRefused(
          `a tagged template contains ${JSON.stringify(match[0])}, which ses refuses and which cannot be ` +
            'respelt, because its tag may read the raw text; put the text in a string and insert that',
          line,
          start + match.index - source.lastIndexOf('\n', start - 1),
        );
      }
      const at = start + match.index + offset;
      edits.push({ start: at, end: at + length, text });
    }
  }
  return edits;
}

function apply(source: string, edits: Edit[]): string {
  let result = '';
  let done = 0;
  for (const edit of edits.sort((a, b) => a.start - b.start)) {
    result += source.slice(done, edit.start) + edit.text;
    done = edit.end;
  }
  return result + source.slice(done);
}
