/** How messages name capabilities of their receiver: MessageTarget and PromisedAnswer of rpc.capnp. */

import { ElementSize, type PointerBuilder, type StructBuilder, type StructReader } from '../schema/index.js';
import { ProtocolViolation } from './error.js';
import { MAX_TRANSFORM } from './limits.js';
import type { Path } from './places.js';
import * as layout from './protocol.js';
import type { Address } from './remote.js';

export function writeTarget(address: Address, into: StructBuilder): void {
  if (address.kind === 'imported') {
    into.setU16(layout.MessageTarget.tag, layout.MessageTarget.importedCap);
    into.setU32(layout.MessageTarget.importedCapId, address.id);
  } else {
    into.setU16(layout.MessageTarget.tag, layout.MessageTarget.promisedAnswer);
    writePromisedAnswer(address, into.pointer(layout.MessageTarget.body));
  }
}

export function writePromisedAnswer(address: Address & { kind: 'pipelined' }, into: PointerBuilder): void {
  const answer = into.struct(layout.PromisedAnswer.words, layout.PromisedAnswer.pointers);
  answer.setU32(layout.PromisedAnswer.questionId, address.questionId);
  if (address.path.length > 0) writeSteps(address.path, answer.pointer(layout.PromisedAnswer.transform));
}

export function writeSteps(path: Path, into: PointerBuilder): void {
  const transform = into.structList(path.length, layout.Op.words, layout.Op.pointers);
  path.forEach((field, i) => {
    const op = transform.struct(i);
    op.setU16(layout.Op.tag, layout.Op.getPointerField);
    op.setU16(layout.Op.field, field);
  });
}

/** A PromisedAnswer. Violations: a transform that is too long, or has a step that we do not know. */
export function readAddress(answer: StructReader): { questionId: number; path: number[] } {
  const questionId = answer.u32(layout.PromisedAnswer.questionId);
  const transform = answer.pointer(layout.PromisedAnswer.transform).list(ElementSize.composite);
  if (transform.length > MAX_TRANSFORM) {
    throw new ProtocolViolation(
      `a transform of ${transform.length} steps; at most ${MAX_TRANSFORM} are allowed`,
    );
  }
  const path: number[] = [];
  for (let i = 0; i < transform.length; i++) {
    const op = transform.struct(i);
    const tag = op.u16(layout.Op.tag);
    if (tag === layout.Op.getPointerField) path.push(op.u16(layout.Op.field));
    else if (tag !== layout.Op.noop) throw new ProtocolViolation(`a transform with the unknown step ${tag}`);
  }
  return { questionId, path };
}
