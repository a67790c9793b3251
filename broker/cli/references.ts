/**
 * Sturdyrefs on the command line: read from `@FILE` or from standard input (`-`), written to a file of mode 0600 or to
 * standard output.
 *
 * A file has one reference, or a line for each: a name, a blank, the reference. `@FILE:NAME` chooses one of those.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { SturdyRef } from '../../client/index.js';
import { UsageError } from './print.js';

/** @throws UsageError, SturdyRefError */
export function readReference(argument: string): SturdyRef {
  if (argument === '-') return SturdyRef.parse(readFileSync(0, 'utf8').trim());
  if (!argument.startsWith('@')) {
    throw new UsageError(
      'a reference is given as @FILE, @FILE:NAME or - (standard input), never as an argument: arguments can be seen by others',
    );
  }
  const whole = argument.slice(1);
  const colon = whole.lastIndexOf(':');
  const named = colon > 0 && !existsSync(whole);
  const path = named ? whole.slice(0, colon) : whole;
  const name = named ? whole.slice(colon + 1) : null;
  const lines = readFile(path)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const references = new Map(lines.map((line, i) => entry(line, i)));
  if (name === null) {
    if (lines.length === 1) return SturdyRef.parse([...references.values()][0]!);
    throw new UsageError(
      lines.length === 0
        ? `${path} is empty`
        : `${path} has ${lines.length} references; name one as @${path}:NAME: ${[...references.keys()].join(', ')}`,
    );
  }
  const found = references.get(name);
  if (found === undefined) {
    throw new UsageError(`${path} has no reference ${name}; it has ${[...references.keys()].join(', ')}`);
  }
  return SturdyRef.parse(found);
}

function entry(line: string, index: number): [string, string] {
  const blank = line.indexOf(' ');
  return blank === -1 ? [`${index + 1}`, line] : [line.slice(0, blank), line.slice(blank + 1).trim()];
}

export function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`cannot read ${path}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
}

/** A new file, made before there is a reference to write to it: so that none is made that cannot be written. */
export interface NewReferenceFile {
  /** On disk when this returns. */
  write(ref: SturdyRef): void;
  /** Removes the file, if nothing was written to it. */
  close(): void;
}

/** A new file that only its owner can read. */
export interface NewPrivateFile {
  write(text: string): void;
  /** It is whole, and on disk when this returns. */
  keep(): void;
  /** Removes the file, if it was not kept. */
  close(): void;
}

/** One that exists is never overwritten: it may hold a reference. */
export function newPrivateFile(path: string): NewPrivateFile {
  const refusing = <T>(work: () => T): T => {
    try {
      return work();
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new UsageError(
        code === 'EEXIST'
          ? `${path} exists already, and may hold a reference; choose another file`
          : `cannot write ${path}: ${code}`,
        { cause },
      );
    }
  };
  const file = refusing(() => openSync(path, 'wx', 0o600));
  let kept = false;
  return {
    write: (text) => refusing(() => writeFileSync(file, text)),
    keep() {
      refusing(() => fsyncSync(file));
      kept = true;
    },
    close() {
      closeSync(file);
      if (!kept) rmSync(path, { force: true });
    },
  };
}

export function newReferenceFile(path: string): NewReferenceFile {
  const file = newPrivateFile(path);
  return {
    write(ref) {
      file.write(`${ref.format()}\n`);
      file.keep();
    },
    close: () => file.close(),
  };
}
