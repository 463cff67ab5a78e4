/**
 * How long the messages of a Postgres server may be. The driver gathers a message whole before it reads it, and what is longer than the
 * longest string of this Node it cannot read at all; so a long one is refused at its header, before memory is taken for it.
 *
 *     u8 type, u32 length (itself included), that many bytes less four
 */
import { UnreadableValue } from './store-error.js';

const HEADER_BYTES = 5;
const LENGTH_BYTES = 4;

/** The longest that is honest is a block's body in hexadecimal digits, 18 MiB. */
export const MOST_MESSAGE_BYTES = 64 * 1024 * 1024;

export class MessageBound {
  private readonly header = Buffer.alloc(HEADER_BYTES);
  /** Bytes of the header that were seen. */
  private seen = 0;
  /** Bytes of the message that are still to come. */
  private left = 0;

  constructor(private readonly most = MOST_MESSAGE_BYTES) {}

  /** @throws UnreadableValue store.unexpected-value when a message in these bytes says that it is longer */
  pass(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.left > 0) {
        const used = Math.min(this.left, chunk.length - at);
        this.left -= used;
        at += used;
        continue;
      }
      this.header[this.seen++] = chunk[at++]!;
      if (this.seen === HEADER_BYTES) this.begin(this.header.readUInt32BE(1));
    }
  }

  private begin(length: number): void {
    if (length < LENGTH_BYTES || length > this.most) {
      const message = `a row or message of ${length} bytes came from Postgres, ${this.most} are read`;
      throw new UnreadableValue('store.unexpected-value', message);
    }
    this.seen = 0;
    this.left = length - LENGTH_BYTES;
  }
}
