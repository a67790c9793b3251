/** Taken when the module is loaded: in a locked-down realm it would be looked up each time. */
const { apply } = Reflect;
const { set } = Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array;

/** Memory that messages stand in, and the ways to look at it: made once for all that is read and written there, as each of them costs. */
export class Memory {
  readonly buffer: ArrayBuffer;
  /** Where in that it begins. */
  readonly offset: number;
  readonly view: DataView<ArrayBuffer>;

  constructor(readonly bytes: Uint8Array<ArrayBuffer>) {
    this.buffer = bytes.buffer;
    this.offset = bytes.byteOffset;
    this.view = new DataView(this.buffer, this.offset, bytes.length);
  }

  /** So many bytes of it. (`subarray` of a Buffer would make a Buffer, which costs more.) */
  part(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer, this.offset + at, length);
  }

  /** Copies `bytes` to that place of it. */
  put(at: number, bytes: Uint8Array): void {
    apply(set, this.bytes, [bytes, at]);
  }
}
