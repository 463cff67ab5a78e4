/**
 * A TCP proxy in front of an engine, to break the network with. What cannot be stopped inside a process is stopped on the wire: a frame
 * that is spooled but not published, a PubAck or an answer to COMMIT that never arrives.
 *
 *     shut / open     a gate for one direction: what comes is held, not lost
 *     freeze          half-open: the connections of now carry nothing any more and are not closed; new ones work
 *     delayMs         what comes from now on is passed on so much later, in order
 *     cut             breaks the connections of now; what was held is lost
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export type Direction = 'toServer' | 'toClient';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  isFrozen: boolean;
}

export class GatedProxy {
  /** Milliseconds. */
  delayMs = 0;
  private readonly pairs = new Set<Pair>();
  private isShut = { toServer: false, toClient: false };

  private constructor(private readonly listener: Server) {}

  /** In front of this port at 127.0.0.1. */
  static async start(port: number): Promise<GatedProxy> {
    const listener = createServer();
    const proxy = new GatedProxy(listener);
    listener.on('connection', (client) => proxy.join(client, connect(port, '127.0.0.1')));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.listener.address() as AddressInfo).port;
  }

  /** For `connect({ servers })`. */
  get server(): string {
    return `tls://localhost:${this.port}`;
  }

  /** Connections that stand. */
  get connections(): number {
    return this.pairs.size;
  }

  shut(direction: Direction): void {
    this.isShut[direction] = true;
    this.apply();
  }

  open(direction: Direction): void {
    this.isShut[direction] = false;
    this.apply();
  }

  freeze(): void {
    for (const pair of this.pairs) pair.isFrozen = true;
    this.apply();
  }

  /** Breaks the connections that stand. */
  cut(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  /** As if nothing had ever been done to it; connections that were frozen break. */
  heal(): void {
    this.delayMs = 0;
    this.isShut = { toServer: false, toClient: false };
    for (const { client, server, isFrozen } of this.pairs) {
      if (!isFrozen) continue;
      client.destroy();
      server.destroy();
    }
    this.apply();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private join(client: Socket, server: Socket): void {
    const pair = { client, server, isFrozen: false };
    this.pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (bytes) => this.pass(bytes, server));
    server.on('data', (bytes) => this.pass(bytes, client));
    this.apply();
  }

  /** Timers of one length end in the order in which they were set; a delay that was just made shorter ends at once for all. */
  private pass(bytes: Buffer, to: Socket): void {
    if (this.delayMs === 0) to.write(bytes);
    else setTimeout(() => to.write(bytes), this.delayMs);
  }

  private apply(): void {
    for (const { client, server, isFrozen } of this.pairs) {
      if (this.isShut.toServer || isFrozen) client.pause();
      else client.resume();
      if (this.isShut.toClient || isFrozen) server.pause();
      else server.resume();
    }
  }
}
