/**
 * The first wall around a program's text (R2): a full parser reads all of it, and what the parser does not
 * know is refused, and so is every piece of syntax that reaches a module loader or that two parsers could
 * read differently: `import(...)` in all its phases, `import.meta`, HTML-like comments.
 *
 * It is applied to the bundle of a domain and to nothing else. Text that the program makes itself while it
 * runs (`new Function`, `eval`) goes through the checks of ses, and behind both stand the module hooks of
 * lockdown.ts. It must never repair a program: it says where the fault is, or nothing.
 */

import { type Node, type Options, Parser } from 'acorn';

/** A program that was refused. `line` counts from 1, `column` from 1, both in the text that was given. */
export class SourceRefused extends Error {
  override readonly name = 'SourceRefused';
  constructor(
    readonly what: string,
    readonly line: number,
    readonly column: number,
  ) {
    super(`line ${line}, column ${column}: ${what}`);
  }
}

/** Reads as a compartment evaluates: strict, so that what only sloppy code may say is refused here already. */
const StrictParser = Parser.extend(
  (Base) =>
    class extends Base {
      constructor(options: Options, input: string, startPos?: number) {
        super(options, input, startPos);
        (this as unknown as { strict: boolean }).strict = true;
      }
    },
);

/** Throws SourceRefused unless `source` is a script that can be given to a compartment. */
export function guardSource(source: string): void {
  parseScript(source, (node, where) => {
    if (node.type === 'ImportExpression') {
      throw new SourceRefused('a program cannot load modules: `import(...)` is refused', ...where());
    }
    if (
      node.type === 'MetaProperty' &&
      (node as unknown as { meta: { name: string } }).meta.name === 'import'
    ) {
      throw new SourceRefused('a program has no place of its own: `import.meta` is refused', ...where());
    }
  });
}

type Visit = (node: Node, where: () => [line: number, column: number]) => void;

/** Parses `source` as the strict script that it will be, refusing what is not one, and shows every node. */
export function parseScript(source: string, visit: Visit): void {
  let program: Node;
  try {
    program = StrictParser.parse(source, {
      ecmaVersion: 'latest',
      sourceType: 'script',
      allowHashBang: false,
      onComment: (block, _text, start) => {
        if (!block && !source.startsWith('//', start)) {
          throw new SourceRefused(
            'an HTML-like comment (`<!--` or `-->`) is refused',
            ...position(source, start),
          );
        }
      },
    });
  } catch (error) {
    if (error instanceof SourceRefused) throw error;
    const { pos, message } = error as { pos?: number; message: string };
    if (pos === undefined) throw error;
    throw new SourceRefused(message.replace(/ \(\d+:\d+\)$/, ''), ...position(source, pos));
  }
  walk(program, (node) => visit(node, () => position(source, node.start)));
}

/** Every node, by every property that the parser made: a kind of node that is new to us is walked as well. */
function walk(root: Node, visit: (node: Node) => void): void {
  const waiting: unknown[] = [root];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (Array.isArray(next)) {
      for (const element of next) waiting.push(element);
    } else if (isNode(next)) {
      visit(next);
      for (const value of Object.values(next)) if (typeof value === 'object') waiting.push(value);
    }
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

function position(source: string, offset: number): [line: number, column: number] {
  const lines = source.slice(0, offset).split(/\r\n|[\n\r\u2028\u2029]/);
  return [lines.length, lines.at(-1)!.length + 1];
}
