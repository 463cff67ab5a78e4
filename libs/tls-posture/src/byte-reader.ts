/** Reads bytes from a peer that may send anything: every read is bounded, and what is not there is an error. */
export class Malformed extends Error {
  constructor(what: string) {
    super(`the bytes are not what they should be: ${what}`);
    this.name = 'Malformed';
  }
}

export class ByteReader {
  private at = 0;

  constructor(private readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** @throws Malformed when fewer are left */
  take(length: number): Buffer {
    if (length > this.left) throw new Malformed(`${length} bytes wanted, ${this.left} left`);
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  /** A big-endian number of `size` bytes. */
  number(size: 1 | 2 | 3): number {
    return this.take(size).readUIntBE(0, size);
  }

  /** Bytes with their length before them, which itself has `size` bytes. */
  vector(size: 1 | 2 | 3): Buffer {
    return this.take(this.number(size));
  }
}
