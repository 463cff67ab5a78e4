/**
 * A TCP proxy before the broker with a gate in each direction. What cannot be stopped inside a process is stopped on the wire:
 * a frame that is spooled but not published, a PubAck that never arrives. Nothing is lost while a gate is shut, only held.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export class GatedProxy {
  private readonly pairs = new Set<{ client: Socket; server: Socket }>();
  private isShut = { toServer: false, toClient: false };

  private constructor(private readonly listener: Server) {}

  static async start(port: number): Promise<GatedProxy> {
    const listener = createServer();
    const proxy = new GatedProxy(listener);
    listener.on('connection', (client) => proxy.join(client, connect(port, '127.0.0.1')));
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** For `connect({ servers })`. */
  get server(): string {
    return `tls://localhost:${(this.listener.address() as AddressInfo).port}`;
  }

  shut(direction: 'toServer' | 'toClient'): void {
    this.isShut[direction] = true;
    this.apply();
  }

  open(direction: 'toServer' | 'toClient'): void {
    this.isShut[direction] = false;
    this.apply();
  }

  /** Breaks the connections that stand. */
  cut(): void {
    for (const { client, server } of this.pairs) {
      client.destroy();
      server.destroy();
    }
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.listener.close(resolve));
  }

  private join(client: Socket, server: Socket): void {
    const pair = { client, server };
    this.pairs.add(pair);
    for (const socket of [client, server]) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.pairs.delete(pair);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (bytes) => server.write(bytes));
    server.on('data', (bytes) => client.write(bytes));
    this.apply();
  }

  private apply(): void {
    for (const { client, server } of this.pairs) {
      if (this.isShut.toServer) client.pause();
      else client.resume();
      if (this.isShut.toClient) server.pause();
      else server.resume();
    }
  }
}
