/** A version of a domain: what it runs, and what its objects speak, read from the files that the operator names. */
import { readFile } from 'node:fs/promises';
import { SchemaGraph, sturdySchemaBytes } from '../schema/index.js';
import type { Program } from './instance.js';

/** Which code it is, for the operator. */
export interface Code {
  /** The SHA-256 of the program's text; null: it was not made yet. */
  readonly program: Uint8Array | null;
  readonly origin: 'configuration' | 'upgrade';
  /** When the domain was upgraded to it, or it was made; 0: it was not yet. */
  readonly since: number;
}

export interface Version {
  /** Of its schema and the public protocol. */
  readonly graph: SchemaGraph;
  readonly schema: Uint8Array;
  readonly code: Code;
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

/** Of a schema of a domain's own, and the public protocol. */
export function graphOf(schema: Uint8Array): SchemaGraph {
  return SchemaGraph.load([schema, sturdySchemaBytes()]);
}

/** `program` makes it for each instance. */
export function versionOf(schema: Uint8Array, code: () => Code, program: () => Promise<Program>): Version {
  return {
    graph: graphOf(schema),
    schema,
    get code() {
      return code();
    },
    program,
  };
}
