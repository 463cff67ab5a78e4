/**
 * This verifier as a witness of other logs, over HTTPS: `POST /add-checkpoint` and nothing else (C2SP tlog-witness).
 *
 * A request costs little before the log's signature in it is checked: its size and rate are bounded, and of the note only the
 * form is read. Beside the statuses of the specification: 405 and 404 for other methods and paths, 413 and 408 for a body that is
 * too long or too slow, 429 for too many requests, 503 while this witness cannot (docs/operations/witnesses.md).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { readWitnessRequest, UNKNOWN_LOG } from '@everseal/audit-core';
import { countedAddress, fateOf, type Logger, type RateLimit } from '@everseal/process';
import { publicServerOptions, type Material, type MaterialWatch } from '@everseal/tls';
import type { WitnessedLog } from './witnessed-log.js';

/** A request is a line, a few headers and a few kilobytes. Milliseconds, bytes. */
const HTTP = { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 60_000, maxHeaderSize: 8_192 };
const HANDSHAKE_MS = 10_000;
/** As much as the parser takes. */
const MOST_BODY_BYTES = 65_536;
/** Of a body that is too long, read so that its sender comes to read the answer. */
const MOST_DISCARDED_BYTES = 1_048_576;
const PATH = '/add-checkpoint';
const TEXT = 'text/plain; charset=utf-8';
const SIZE = 'text/x.tlog.size';

export interface WitnessServerParts {
  readonly logs: readonly WitnessedLog[];
  readonly place: {
    readonly host: string;
    readonly port: number;
    readonly tls12: boolean;
    readonly connections: number;
  };
  readonly material: MaterialWatch;
  readonly rate: RateLimit;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Told of every answer. */
  readonly onAnswer: (status: number) => void;
  /** Ends the process: what failed is nobody's input. */
  readonly onFault: (error: Error) => void;
}

interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export class WitnessServer {
  private readonly server: Server;

  constructor(private readonly parts: WitnessServerParts) {
    const { material, logger, place } = parts;
    const options = { ...this.tls(material.current), ...HTTP, handshakeTimeout: HANDSHAKE_MS };
    this.server = createServer(options, (request, response) => void this.serve(request, response));
    this.server.maxConnections = place.connections;
    this.server.on('secureConnection', (socket: TLSSocket) => socket.disableRenegotiation());
    material.listen({
      onRenewed: (renewed) => {
        this.server.setSecureContext(this.tls(renewed));
        logger.info({ certificate: renewed.facts }, 'the witness serves a renewed certificate');
      },
      onProblem: (err) => logger.error({ err }, `certificate of the witness: ${err.message}`),
    });
  }

  /** @throws system errors */
  async listen(): Promise<void> {
    const { place, material, logger } = this.parts;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(place.port, place.host, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    material.start();
    logger.info({ host: place.host, port: this.port }, 'the witness for other logs listens');
  }

  /** The TCP port that it listens on. */
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.parts.material.stop();
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeIdleConnections();
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const reply = await this.reply(request);
    this.parts.onAnswer(reply.status);
    const headers = { 'Content-Type': TEXT, 'Cache-Control': 'no-store', ...reply.headers };
    const last = request.complete ? {} : { Connection: 'close' };
    response.writeHead(reply.status, { ...headers, ...last, 'Content-Length': Buffer.byteLength(reply.body) });
    response.end(reply.body);
    if (!request.complete) discardRest(request);
  }

  private async reply(request: IncomingMessage): Promise<Reply> {
    if (request.url !== PATH) return { status: 404, body: `there is ${PATH} and nothing else\n` };
    if (request.method !== 'POST') return { status: 405, body: 'only POST\n', headers: { Allow: 'POST' } };
    const wait = this.parts.rate.take(countedAddress(request.socket.remoteAddress ?? ''));
    if (wait > 0) return { status: 429, body: 'too many requests\n', headers: { 'Retry-After': String(wait) } };
    const body = await readBounded(request);
    if (body === null) return { status: 413, body: `a request has at most ${MOST_BODY_BYTES} bytes\n` };
    return this.judge(body);
  }

  private judge(body: Buffer): Reply {
    const { logs, logger, onFault } = this.parts;
    const read = readWitnessRequest(body);
    if ('status' in read) return read;
    const log = logs.find(({ origin }) => origin === read.origin);
    if (!log) return UNKNOWN_LOG;
    try {
      const { status, body: said } = log.addCheckpoint(read.request);
      const isSize = status === 409 && said !== '';
      return { status, body: said, ...(isSize ? { headers: { 'Content-Type': SIZE } } : {}) };
    } catch (caught) {
      const error = caught instanceof Error ? caught : new Error(String(caught));
      // A full disk passes; nothing was signed.
      if (fateOf(error) !== 'retry') onFault(error);
      logger.error({ err: error, log: log.origin }, `a checkpoint cannot be cosigned: ${error.message}`);
      return { status: 503, body: 'this witness cannot store what it would sign\n' };
    }
  }

  private tls(material: Material): ReturnType<typeof publicServerOptions> {
    const clients = material.ca === undefined ? 'none' : 'certificate';
    return publicServerOptions(material, { clients, tls12: this.parts.place.tls12 });
  }
}

/** The body; null when it is too long, or broke off. */
function readBounded(request: IncomingMessage): Promise<Buffer | null> {
  if (Number(request.headers['content-length'] ?? 0) > MOST_BODY_BYTES) return Promise.resolve(null);
  const chunks: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve) => {
    const take = (chunk: Buffer): void => {
      bytes += chunk.length;
      chunks.push(chunk);
      if (bytes <= MOST_BODY_BYTES) return;
      request.off('data', take);
      resolve(null);
    };
    request.on('data', take);
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', () => resolve(null));
    request.on('close', () => resolve(null));
  });
}

/** A client that still writes would not read the answer if the connection were closed at once; but it may not go on for ever. */
function discardRest(request: IncomingMessage): void {
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MOST_DISCARDED_BYTES) request.destroy();
  });
  request.on('error', () => {});
}
