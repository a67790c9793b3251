/**
 * The export and import tables of a connection, and the CapDescriptors by which capabilities cross it, with their exact
 * reference counts: a capability sent twice in one message counts twice.
 */

import type { ListReader, StructBuilder, StructReader } from '../schema/index.js';
import { BrokenCapability, type Capability, settled } from './capability.js';
import type { Connection } from './connection.js';
import { Designation } from './designation.js';
import { ProtocolViolation, RpcError } from './error.js';
import { IdAllocator } from './id-allocator.js';
import { IdTable } from './id-table.js';
import type { ConnectionLimits } from './limits.js';
import { readAddress, writePromisedAnswer } from './message-target.js';
import type { Path } from './places.js';
import * as layout from './protocol.js';
import { ImportedCapability, ReflectedCapability, RemoteCapability, RemotePromise } from './remote.js';

/** An entry of the export table: something of ours that the peer holds. */
class Export {
  references = 0;
  /** What it was, when the peer sent it back and it was pending. Not owned. */
  alias: Capability | null = null;
  readonly designation: Designation;

  constructor(
    readonly id: number,
    /** By what it is found when it is exported again. */
    readonly key: Capability,
    connection: Connection,
    resolved: (entry: Export) => void,
  ) {
    this.designation = new Designation(connection, key.retain(), () => resolved(this));
  }
}

/** What the tables need of their connection. */
export interface CapabilityTableUpcalls {
  /** A promise that the peer holds has become something: send Resolve. */
  sendResolve(promiseId: number, resolution: Capability): void;
  sendRelease(id: number, referenceCount: number): void;
  /** The capability that a place of one of the peer's questions stands for: a new reference, or null if there is none. */
  answerCapability(questionId: number, path: Path): Capability | null;
}

export class CapabilityTable {
  readonly #exports = new IdTable<Export>();
  readonly #exportsByCapability = new Map<Capability, Export>();
  readonly #exportIds = new IdAllocator();
  readonly #imports = new IdTable<ImportedCapability>();
  #closed = false;

  constructor(
    private readonly connection: Connection,
    private readonly limits: ConnectionLimits,
    private readonly upcalls: CapabilityTableUpcalls,
  ) {}

  get isEmpty(): boolean {
    return this.#exports.size === 0 && this.#imports.size === 0;
  }

  get exportCount(): number {
    return this.#exports.size;
  }

  get importCount(): number {
    return this.#imports.size;
  }

  /** What the peer holds of ours. Borrowed. */
  *heldByPeer(): Iterable<Capability> {
    for (const { key } of this.#exports.values()) yield key;
  }

  /** What we hold of the peer's. Borrowed. */
  heldOfPeer(): Iterable<ImportedCapability> {
    return this.#imports.values();
  }

  // ---- sending -------------------------------------------------------------------------------------------------

  /**
   * Writes a descriptor for `capability`. An id that is exported is added to `exported` (once for each reference), to be
   * given to `releaseExports` if the message is not sent after all. Throws RpcError at the limit.
   */
  writeDescriptor(capability: Capability, into: StructBuilder, exported: number[]): void {
    // "Follow all promise resolutions": the peer must never hear of a promise that is resolved already.
    const end = settled(capability);
    if (end instanceof RemotePromise && end.connection === this.connection) {
      this.#writeRemote(end.use(), into);
      return;
    }
    if (end instanceof RemoteCapability && end.connection === this.connection) {
      this.#writeRemote(end, into);
      return;
    }
    const entry = this.#export(end);
    entry.references++;
    exported.push(entry.id);
    const promise = entry.designation.pending || end.brokenBy !== null;
    into.setU16(
      layout.CapDescriptor.tag,
      promise ? layout.CapDescriptor.senderPromise : layout.CapDescriptor.senderHosted,
    );
    into.setU32(layout.CapDescriptor.id, entry.id);
  }

  #writeRemote(capability: RemoteCapability, into: StructBuilder): void {
    const address = capability.address;
    if (address.kind === 'imported') {
      into.setU16(layout.CapDescriptor.tag, layout.CapDescriptor.receiverHosted);
      into.setU32(layout.CapDescriptor.id, address.id);
    } else {
      into.setU16(layout.CapDescriptor.tag, layout.CapDescriptor.receiverAnswer);
      writePromisedAnswer(address, into.pointer(layout.CapDescriptor.body));
    }
  }

  #export(capability: Capability): Export {
    const known = this.#exportsByCapability.get(capability);
    if (known !== undefined) return known;
    if (!this.connection.accounts.exports.take(1)) {
      throw new RpcError(
        'overloaded',
        'the peers of all the connections together hold too many capabilities (budget exports)',
        { code: 'ERR_RPC_EXPORT_BUDGET' },
      );
    }
    if (this.#exports.size >= this.limits.exports) {
      this.connection.accounts.exports.give(1);
      throw new RpcError(
        'overloaded',
        `the peer holds ${this.limits.exports} capabilities already (limit exports)`,
        {
          code: 'ERR_RPC_EXPORT_LIMIT',
        },
      );
    }
    const id = this.#exportIds.take();
    const entry = new Export(id, capability, this.connection, (resolved) => this.#resolved(resolved));
    this.#exports.set(id, entry);
    // A broken capability goes as a promise that breaks at once, and one that a Resolve was sent for must not be sent
    // again under the same id: neither is found again.
    if (capability.brokenBy === null) this.#exportsByCapability.set(capability, entry);
    else this.connection.afterSend(() => this.#resolved(entry));
    return entry;
  }

  #resolved(entry: Export): void {
    if (this.#closed || this.#exports.get(entry.id) !== entry) return;
    this.#forgetKeys(entry);
    this.upcalls.sendResolve(entry.id, entry.designation.capability);
  }

  /** The entry that the peer addresses as `id`. */
  exported(id: number): Designation | null {
    return this.#exports.get(id)?.designation ?? null;
  }

  releaseExports(ids: readonly number[]): void {
    for (const id of ids) this.releaseExport(id, 1);
  }

  /** The peer gives `count` references back. More than it has, or of something it has not, is a violation. */
  releaseExport(id: number, count: number): void {
    const entry = this.#exports.get(id);
    if (entry === undefined) throw new ProtocolViolation(`Release of export ${id}, which does not exist`);
    if (count > entry.references) {
      throw new ProtocolViolation(
        `Release of ${count} references to export ${id}, which has ${entry.references}`,
      );
    }
    entry.references -= count;
    if (entry.references > 0) return;
    this.#exports.delete(id);
    this.#forgetKeys(entry);
    this.connection.accounts.exports.give(1);
    this.#exportIds.give(id);
    entry.designation.release();
  }

  // ---- receiving -----------------------------------------------------------------------------------------------

  /** The capabilities of a payload: new references. */
  read(list: ListReader): (Capability | null)[] {
    const capabilities: (Capability | null)[] = [];
    try {
      for (let i = 0; i < list.length; i++) capabilities.push(this.readDescriptor(list.struct(i)));
    } catch (error) {
      for (const capability of capabilities) capability?.release();
      throw error;
    }
    return capabilities;
  }

  readDescriptor(descriptor: StructReader): Capability | null {
    const tag = descriptor.u16(layout.CapDescriptor.tag);
    const id = descriptor.u32(layout.CapDescriptor.id);
    switch (tag) {
      case layout.CapDescriptor.none:
        return null;
      case layout.CapDescriptor.senderHosted:
        return this.#import(id, false);
      case layout.CapDescriptor.senderPromise:
        return this.#import(id, true);
      case layout.CapDescriptor.receiverHosted: {
        const entry = this.#exports.get(id);
        if (entry === undefined) return broken(`the peer sent back export ${id}, which does not exist`);
        const reference = entry.designation.reference();
        // Sent to the peer again, it is the same export.
        if (entry.designation.pending) this.#alias(entry, reference);
        return reference;
      }
      case layout.CapDescriptor.receiverAnswer: {
        const address = readAddress(descriptor.pointer(layout.CapDescriptor.body).struct());
        const found = this.upcalls.answerCapability(address.questionId, address.path);
        if (found === null)
          return broken(`the peer named question ${address.questionId}, which does not exist`);
        return found;
      }
      case layout.CapDescriptor.thirdPartyHosted:
        // Level 3. Its vine is good as an import: the peer carries the calls on.
        return this.#import(
          descriptor.pointer(layout.CapDescriptor.body).struct().u32(layout.ThirdPartyCapDescriptor.vineId),
          false,
        );
      default:
        return broken(`the peer sent a capability of the unknown kind ${tag}`);
    }
  }

  #alias(entry: Export, reference: Capability): void {
    if (entry.alias !== null && this.#exportsByCapability.get(entry.alias) === entry) {
      this.#exportsByCapability.delete(entry.alias);
    }
    entry.alias = reference;
    this.#exportsByCapability.set(reference, entry);
  }

  /** The capability that `entry` was made for gets an entry of its own when it is sent again. */
  #forgetKeys(entry: Export): void {
    for (const each of [entry.key, entry.alias]) {
      if (each !== null && this.#exportsByCapability.get(each) === entry)
        this.#exportsByCapability.delete(each);
    }
  }

  #import(id: number, promise: boolean): Capability {
    const known = this.#imports.get(id);
    if (known !== undefined) {
      known.received++;
      if (known.promise !== null) return known.promise.retain();
      if (!known.unresolved) return known.retain();
      // Messages that were addressed to the promise hold it, but nobody waited for what it becomes; now somebody does.
      known.retain();
      return this.#promise(known, true);
    }
    if (this.#imports.size >= this.limits.imports) {
      throw new ProtocolViolation(`more than ${this.limits.imports} capabilities were sent (limit imports)`);
    }
    if (!this.connection.accounts.imports.take(1)) {
      throw new ProtocolViolation(
        'too many capabilities were sent on all the connections together (budget imports)',
      );
    }
    const capability = new ImportedCapability(this.connection, id);
    capability.received = 1;
    this.#imports.set(id, capability);
    if (!promise) return capability;
    capability.unresolved = true;
    return this.#promise(capability, false);
  }

  /** What stands before `capability`, whose reference it takes over, until it is resolved. */
  #promise(capability: ImportedCapability, used: boolean): RemotePromise {
    capability.promise = new RemotePromise(
      capability,
      () => {
        capability.promise = null;
      },
      used,
    );
    return capability.promise;
  }

  /** The last reference to an import is gone on this side. */
  releaseImport(capability: ImportedCapability): void {
    if (this.#imports.get(capability.id) !== capability) return;
    this.#imports.delete(capability.id);
    this.connection.accounts.imports.give(1);
    if (!this.#closed) this.upcalls.sendRelease(capability.id, capability.received);
  }

  /**
   * A Resolve has come, to what `descriptor` says, if it is no exception; takes the reference to `replacement` over. For a
   * promise that was released meanwhile it is dropped.
   */
  resolveImport(promiseId: number, descriptor: StructReader | null, replacement: Capability): void {
    const capability = this.#imports.get(promiseId);
    if (capability === undefined) {
      replacement.release();
      return;
    }
    if (!capability.unresolved) {
      replacement.release();
      throw new ProtocolViolation(`Resolve of import ${promiseId}, which is not an unresolved promise`);
    }
    capability.unresolved = false;
    const promise = capability.promise;
    if (promise === null) {
      // Only messages that go strictly to the promise hold it by now: nobody waits for what it has become.
      replacement.release();
      return;
    }
    capability.promise = null;
    if (!(replacement instanceof ReflectedCapability) || settled(replacement.target) !== capability) {
      promise.resolve(replacement);
      return;
    }
    // A promise of ours became this promise, and this one now becomes that. Calls would go to and fro for ever.
    replacement.release();
    const cycle = () => broken('a promise was resolved to itself, by way of the peer');
    if (descriptor?.u16(layout.CapDescriptor.tag) === layout.CapDescriptor.receiverHosted) {
      this.exported(descriptor.u32(layout.CapDescriptor.id))?.break(cycle());
    }
    promise.resolve(cycle());
  }

  // ---- the end ----------------------------------------------------------------------------------------------------

  /** The connection is gone: everything of ours is let go, everything of theirs breaks. */
  close(error: RpcError): void {
    this.#closed = true;
    const exports = this.#exports.values();
    const imports = this.#imports.values();
    const { accounts } = this.connection;
    accounts.exports.give(exports.length);
    accounts.imports.give(imports.length);
    this.#exports.clear();
    this.#exportsByCapability.clear();
    this.#imports.clear();
    for (const entry of exports) entry.designation.release(true);
    for (const { promise } of imports) promise?.resolve(new BrokenCapability(error));
  }

  dump(): object {
    return {
      exports: this.#exports.values().map((entry) => ({
        id: entry.id,
        references: entry.references,
        state: entry.designation.pending ? 'promise' : 'settled',
      })),
      imports: this.#imports.values().map((entry) => ({
        id: entry.id,
        received: entry.received,
        state: entry.unresolved ? 'promise' : 'settled',
      })),
    };
  }
}

function broken(reason: string): Capability {
  return new BrokenCapability(new RpcError('failed', reason, { code: 'ERR_RPC_BAD_CAPABILITY' }));
}
