/**
 * The headers of a message as they came, read without the client library's decoder: that one throws for what its own side would
 * not send (a line feed in a value, a space in a name), inside the read loop of the connection, which then ends. A server passes such headers
 * on, and keeps them in a stream, so one message would end everybody who reads it.
 *
 *     NATS/1.0[ <code>[ <description>]] CRLF *( <name>: <value> CRLF ) CRLF
 *
 * Nothing here throws for any bytes; what is not in that form is not found.
 */
import type { Msg } from '@nats-io/transport-node';

const VERSION = 'NATS/1.0';

export class HeaderBlock {
  private constructor(private readonly text: string) {}

  /** Null when the message has none. */
  static of(message: Msg): HeaderBlock | null {
    const bytes = headerBytes(message);
    if (bytes === 0) return null;
    // They stand right before the payload, in the same buffer.
    const { data } = message;
    return new HeaderBlock(Buffer.from(data.buffer, data.byteOffset - bytes, bytes).toString());
  }

  /** Of the first line; 0 when it has none. */
  get code(): number {
    return Number(/^ (\d{3})\b/.exec(this.status)?.[1] ?? 0);
  }

  /** The first line behind the version, as it is. */
  get status(): string {
    const [line = ''] = this.text.split('\r\n', 1);
    return line.startsWith(VERSION) ? line.slice(VERSION.length) : '';
  }

  /** The first value of a header. */
  get(name: string): string | undefined {
    return this.valueAt(this.text.indexOf(`\r\n${name}: `), name.length + 4);
  }

  /**
   * The last value of a header that a server wrote behind those of a publisher. The publisher's last line may not have ended, so the
   * header need not begin one; and a server's values hold neither spaces nor colons that could pass for another header.
   */
  ofServer(name: string): string | undefined {
    return this.valueAt(this.text.lastIndexOf(`${name}: `), name.length + 2);
  }

  private valueAt(at: number, length: number): string | undefined {
    if (at < 0) return undefined;
    const end = this.text.indexOf('\r\n', at + length);
    return this.text.slice(at + length, end < 0 ? undefined : end);
  }
}

/**
 * Length of the header block, from `NATS/1.0` to the empty line; 0 when there is none. The client library's interface does not
 * tell it; its messages do, by their size as a whole.
 *
 * A subject or reply that is not UTF-8 has another length as text than it had on the wire, so the difference can be anything. It is
 * never less than nothing, nor more than what stands in front of the payload; of such a message a header may just not be found.
 */
export function headerBytes(message: Msg): number {
  const { size } = message as Msg & { size?: () => number };
  if (size === undefined) throw new Error('this NATS client does not tell the size of a message');
  const { subject, reply = '', data } = message;
  const left = size.call(message) - Buffer.byteLength(subject) - Buffer.byteLength(reply) - data.length;
  return Math.max(0, Math.min(left, data.byteOffset));
}
