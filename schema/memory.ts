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
}
