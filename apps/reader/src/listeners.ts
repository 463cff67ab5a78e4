/**
 * The two HTTPS servers of the read API, over one handler: one that takes only clients with a certificate of the auditors'
 * root, and one that asks nobody for any. Who has none is refused by TLS on the first, so that no code of ours decides it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { publicServerOptions, type Material, type MaterialWatch } from '@everseal/tls';
import type { Logger } from '@everseal/process';
import type { ReaderSettings } from './config.js';
import type { Request } from './exchange.js';
import type { Listener } from './gate.js';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Requests here are a line and a few headers. Milliseconds, bytes. */
const HTTP = { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 30_000, maxHeaderSize: 16_384 };

const HANDSHAKE_MS = 10_000;

export class Listeners {
  private readonly cameBy = new WeakMap<IncomingMessage, Listener>();
  private readonly servers = new Map<Listener, Server>();

  constructor(
    private readonly settings: ReaderSettings,
    private readonly material: MaterialWatch,
    private readonly logger: Pick<Logger, 'info' | 'error'>,
  ) {}

  /** Makes the servers; the one for certificates is given back, for the HTTP framework to take as its own. */
  create(handler: Handler): Server {
    const certificate = this.make('certificate', handler);
    if (this.settings.api.open !== undefined) this.make('open', handler);
    this.material.listen({
      onRenewed: (material) => {
        for (const [listener, server] of this.servers) server.setSecureContext(this.tls(listener, material));
        this.logger.info({ certificate: material.facts }, 'the read API serves a renewed certificate');
      },
      onProblem: (err) => this.logger.error({ err }, `certificate of the read API: ${err.message}`),
    });
    this.material.start();
    return certificate;
  }

  /** By which listener a request came in. */
  readonly listenerOf = ({ raw }: Request): Listener => {
    const listener = this.cameBy.get(raw);
    if (listener === undefined) throw new Error('a request that came by no listener');
    return listener;
  };

  /** Starts to listen without certificates, where the settings say so. @throws system errors */
  async listenOpen(): Promise<void> {
    const server = this.servers.get('open');
    const place = this.settings.api.open;
    if (server === undefined || place === undefined) return;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(place.port, place.host, () => {
        server.off('error', reject);
        resolve();
      });
    });
  }

  /** The TCP port of a listener, null when it does not listen. */
  portOf(listener: Listener): number | null {
    return (this.servers.get(listener)?.address() as AddressInfo | null | undefined)?.port ?? null;
  }

  /** Takes no new connection and ends the idle ones of the listener without certificates; the framework closes its own. */
  async closeOpen(): Promise<void> {
    this.material.stop();
    const server = this.servers.get('open');
    if (server?.listening !== true) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeIdleConnections();
    });
  }

  private make(listener: Listener, handler: Handler): Server {
    const options = { ...this.tls(listener, this.material.current), ...HTTP, handshakeTimeout: HANDSHAKE_MS };
    const server = createServer(options, (request, response) => {
      this.cameBy.set(request, listener);
      handler(request, response);
    });
    server.maxConnections = this.settings.limits.connections;
    server.on('secureConnection', (socket: TLSSocket) => socket.disableRenegotiation());
    this.servers.set(listener, server);
    return server;
  }

  private tls(listener: Listener, material: Material): ReturnType<typeof publicServerOptions> {
    const clients = listener === 'certificate' ? 'certificate' : 'none';
    return publicServerOptions(material, { clients, tls12: this.settings.api.tls12 });
  }
}
