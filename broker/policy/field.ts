/**
 * A field of a method's params, found once by its names in the schema and read from then on at fixed offsets: nothing
 * else of the params is decoded.
 */
import { type FieldType, NO_DISCRIMINANT, type StructReader, type StructType } from '../../schema/index.js';

/** What stands at the end of a path: a field that is no group. */
export type Slot = FieldType['at'] & { kind: 'slot' };

/** From a struct towards the field: a member of a union that has to be the active one, or a pointer to follow. */
type Step = { readonly tag: number; readonly is: number } | { readonly pointer: number };

export interface FoundField {
  readonly slot: Slot;
  /** Names that are left of the path, behind a field that has no fields itself. */
  readonly rest: readonly string[];
  /** The struct that the field stands in; null where it is not there: an inactive member, a null parent. */
  readonly parent: (params: StructReader) => StructReader | null;
}

/** The field at `path`. A string says, for a person, why there is none; `where` is what errors call the params. */
export function findField(params: StructType, path: readonly string[], where: string): FoundField | string {
  const steps: Step[] = [];
  let struct = params;
  let name = where;
  for (const [i, part] of path.entries()) {
    const field = struct.fields.find((each) => each.name === part);
    if (field === undefined) {
      const known = struct.fields.map((each) => each.name);
      return `${name} has no field ${show(part)}; it has ${known.length === 0 ? 'none' : known.join(', ')}`;
    }
    const { at, discriminant } = field;
    if (discriminant !== NO_DISCRIMINANT) steps.push({ tag: struct.discriminantOffset, is: discriminant });
    name = `${name}.${part}`;
    if (at.kind === 'group') {
      struct = at.group;
    } else if (at.type.kind === 'struct' && i < path.length - 1) {
      steps.push({ pointer: at.offset });
      struct = at.type.struct;
    } else {
      return { slot: at, rest: path.slice(i + 1), parent: follower(steps) };
    }
  }
  const known = struct.fields.map((each) => each.name).join(', ');
  return path.length === 0
    ? `name a field of ${name}; it has ${known === '' ? 'none' : known}`
    : `${name} is a group; name a field of it: ${known}`;
}

function follower(steps: readonly Step[]): FoundField['parent'] {
  if (steps.length === 0) return (params) => params;
  return (params) => {
    let struct = params;
    for (const step of steps) {
      if ('tag' in step) {
        if (struct.u16(step.tag) !== step.is) return null;
      } else {
        const pointer = struct.pointer(step.pointer);
        if (pointer.isNull) return null;
        struct = pointer.struct();
      }
    }
    return struct;
  };
}

/** A name from outside, for an error. */
export function show(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
