/** A version of a domain: what it runs, and what its objects speak, read from the files that the operator names. */
import { readFile } from 'node:fs/promises';
import { SchemaGraph, sturdySchemaBytes } from '../schema/index.js';
import type { Program } from './instance.js';

export interface Version {
  /** Of its schema and the public protocol. */
  readonly graph: SchemaGraph;
  readonly schema: Uint8Array;
  /** The program and the grants for a new instance. */
  program(): Promise<Program>;
}

/** The schema in `file`, in which there has to be the interface of the main object. Rejects with what is wrong, and of which key. */
export async function readSchema(file: string, mainInterface: string): Promise<Uint8Array> {
  let schema: Uint8Array;
  try {
    schema = await readFile(file);
  } catch (cause) {
    throw new SchemaFileError(
      'schema',
      `cannot read ${file}: ${(cause as NodeJS.ErrnoException).code}`,
      cause,
    );
  }
  let own: SchemaGraph;
  try {
    own = SchemaGraph.load(schema);
  } catch (cause) {
    const why = `${file} is not a CodeGeneratorRequest: ${(cause as Error).message}`;
    throw new SchemaFileError('schema', why, cause);
  }
  try {
    own.interface(mainInterface);
  } catch (cause) {
    throw new SchemaFileError('interface', `${file}: ${(cause as Error).message}`, cause);
  }
  return schema;
}

export class SchemaFileError extends Error {
  override readonly name = 'SchemaFileError';

  constructor(
    /** The key of the configuration that is wrong. */
    readonly key: 'schema' | 'interface',
    message: string,
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

/** `program` makes it of its schema, for each instance. */
export function versionOf(schema: Uint8Array, program: (schema: Uint8Array) => Promise<Program>): Version {
  const graph = SchemaGraph.load([schema, sturdySchemaBytes()]);
  return { graph, schema, program: () => program(schema) };
}
