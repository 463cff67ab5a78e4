/**
 * One TCP connection with one time limit, read by asking: what a peer sends is kept until somebody can make something of
 * it. However it ends, whoever reads gets one of four reasons, and the socket is gone.
 */
import { connect, type Socket } from 'node:net';
import type { Target } from './endpoint.js';

/** `silent`: the time was up. `closed`: the peer hung up. `unreachable`: no connection at all. `flooded`: it never ends. */
export type WireTrouble = 'silent' | 'closed' | 'unreachable' | 'flooded';

export class WireError extends Error {
  constructor(
    readonly trouble: WireTrouble,
    message: string,
  ) {
    super(message);
    this.name = 'WireError';
  }
}

/** More than any honest answer to one question has. */
const MOST_BYTES = 512 * 1024;

export class Wire {
  private buffer = Buffer.alloc(0);
  private trouble: WireError | null = null;
  private changed: () => void = () => undefined;
  private readonly timer: NodeJS.Timeout;

  private constructor(
    private readonly socket: Socket,
    milliseconds: number,
  ) {
    this.timer = setTimeout(
      () => this.end(new WireError('silent', `no answer within ${milliseconds} ms`)),
      milliseconds,
    );
    socket.on('data', this.onData).on('error', this.onError).on('end', this.onEnd).on('close', this.onEnd);
  }

  /** @throws WireError `unreachable`, `silent` */
  static async open({ host, port, opened }: Target, milliseconds: number): Promise<Wire> {
    const socket = connect({ host, port, noDelay: true });
    const wire = new Wire(socket, milliseconds);
    try {
      await new Promise<void>((resolve, reject) => {
        wire.changed = () => (wire.trouble ? reject(wire.trouble) : undefined);
        socket.once('connect', resolve);
      });
      if (socket.localAddress !== undefined) opened?.(socket.localAddress);
      return wire;
    } catch (error) {
      wire.close();
      const why = error instanceof WireError ? error.message : String(error);
      throw new WireError('unreachable', why);
    }
  }

  write(bytes: Buffer | string): void {
    if (this.trouble === null) this.socket.write(bytes);
  }

  /**
   * Waits until `read` makes something of what has arrived.
   * @param read gets everything since the last `drop`; null asks for more. What it throws is thrown on
   * @throws WireError when nothing can come any more
   */
  async read<T>(read: (bytes: Buffer) => T | null): Promise<T> {
    for (;;) {
      const value = this.buffer.length > 0 ? read(this.buffer) : null;
      if (value !== null) return value;
      if (this.trouble) throw this.trouble;
      await new Promise<void>((resolve) => {
        this.changed = resolve;
      });
    }
  }

  /** What has arrived since the last `drop`. */
  get unread(): Buffer {
    return this.buffer;
  }

  /** Forgets the first bytes of what has arrived. */
  drop(length: number): void {
    this.buffer = this.buffer.subarray(length);
  }

  /** Hands the socket over, with what was not read yet; the time limit goes on until `close`. */
  release(): Socket {
    this.socket.off('data', this.onData).off('end', this.onEnd).off('close', this.onEnd);
    this.socket.pause();
    if (this.buffer.length > 0) this.socket.unshift(this.buffer);
    return this.socket;
  }

  close(): void {
    clearTimeout(this.timer);
    this.socket.destroy();
  }

  private readonly onData = (data: Buffer): void => {
    this.buffer = Buffer.concat([this.buffer, data]);
    if (this.buffer.length > MOST_BYTES) this.end(new WireError('flooded', `more than ${MOST_BYTES} bytes came`));
    else this.changed();
  };

  private readonly onError = (error: NodeJS.ErrnoException): void => {
    this.end(new WireError('closed', error.code ?? error.message));
  };

  private readonly onEnd = (): void => {
    this.end(new WireError('closed', 'the other end hung up'));
  };

  /** The first reason counts. */
  private end(trouble: WireError): void {
    clearTimeout(this.timer);
    this.trouble ??= trouble;
    this.changed();
    if (trouble.trouble === 'silent' || trouble.trouble === 'flooded') this.socket.destroy();
  }
}
