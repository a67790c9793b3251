/** `sturdy call`: one call on a reference, with params and results in JSON, by the schema of the object itself. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type BrokerSession, type Pending, RpcError, type Stub } from '../../client/index.js';
import { stubMethodName } from '../../rpc/index.js';
import { type InterfaceType, type MethodType, SchemaGraph, sturdySchema } from '../../schema/index.js';
import { escapeControls } from '../redaction.js';
import { connected, within } from './connected.js';
import { structFromJson, structToJson } from './json-values.js';
import { type GlobalOptions, patience } from './operator.js';
import { jsonText, UsageError } from './print.js';
import { readReference } from './references.js';

type Method = (params: unknown, options: { signal?: AbortSignal }) => Pending<object>;

export function addCall(program: Command): void {
  program
    .command('call <ref> [method] [params]')
    .description('call a method; without one, list the methods of the object')
    .addHelpText(
      'after',
      `
REF is @FILE, @FILE:NAME or - (standard input). PARAMS is a JSON object, or - for standard input; {} without it.
64-bit integers are numbers or strings, Data is base64, a Void is null, and a capability is "@FILE" or "@FILE:NAME".

  sturdy call @alice.ref statement '{"page": {"limit": 5}}'
  sturdy call @ledger.ref transfer '{"from": "@alice.ref", "to": "@bob.ref", "cents": 100}'`,
    )
    .action(
      (ref: string, method: string | undefined, params: string | undefined, _: object, command: Command) =>
        call(ref, method, params, command.optsWithGlobals()),
    );
}

async function call(
  ref: string,
  method: string | undefined,
  params: string | undefined,
  options: GlobalOptions,
): Promise<void> {
  if (ref === '-' && params === '-') {
    throw new UsageError('standard input is the reference or the params, not both');
  }
  const reference = readReference(ref);
  const value = parseParams(params);
  const seconds = patience(options);
  // A call takes as long as it takes, where nothing else was asked for.
  const signal = options.timeout === undefined ? {} : { signal: AbortSignal.timeout(seconds * 1000) };
  const answer = await connected(reference, null, async (object, session) => {
    const { interfaceId, schema } = await within(seconds, object.describe({}));
    const type = SchemaGraph.load(schema).interface(interfaceId);
    if (method === undefined) return methodsOf(type).map(escapeControls).join('\n');
    const found = methodNamed(type, method);
    const path = `${found.interface.name}.${found.name}`;
    const sent = structFromJson(value, found.params, path, capabilities(session));
    const stub = object.as<Stub & Record<string, Method>>(type);
    const results = await stub[stubMethodName(found.name)]!(sent, signal);
    return jsonText(structToJson(results, found.results), options.json === true ? undefined : 2);
  });
  console.log(answer);
}

function parseParams(text = '{}'): unknown {
  try {
    return JSON.parse(text === '-' ? readFileSync(0, 'utf8') : text);
  } catch (cause) {
    throw new UsageError(`the params are not JSON: ${(cause as Error).message}`, { cause });
  }
}

/** By its name, or by that with the interface: of two with one name, this tells them apart. */
function methodNamed(type: InterfaceType, name: string): MethodType {
  const dot = name.lastIndexOf('.');
  const plain = name.slice(dot + 1);
  const found = type
    .allMethods()
    .find((method) => method.name === plain && (dot === -1 || method.interface.name === name.slice(0, dot)));
  if (found !== undefined) return found;
  throw new RpcError('failed', `${type.name} has no method ${name}; it has ${methodsOf(type).join(', ')}`, {
    code: 'ERR_NO_SUCH_METHOD',
  });
}

function methodsOf(type: InterfaceType): string[] {
  return type.allMethods().map((method) => `${method.interface.name}.${method.name}`);
}

/** A capability in the params: the object of another reference of the same broker. */
function capabilities(session: BrokerSession): (argument: string, type: InterfaceType | null) => Stub {
  return (argument, type) =>
    session.restore(readReference(argument), type ?? sturdySchema().interface('Delegable'));
}
