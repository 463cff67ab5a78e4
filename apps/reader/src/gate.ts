/**
 * What stands before every answer, in this order: who asks, how often, whether they may, and for events the record of it.
 * Nothing is read from the database before.
 */
import type { TLSSocket } from 'node:tls';
import { certificateFacts } from '@everseal/tls';
import { auditorByNames, type Policy } from '@everseal/policy';
import { countedAddress, type RateLimit } from '@everseal/process';
import { accessOf, type Client, type PublicPart, type Reading } from './client.js';
import type { Request } from './exchange.js';
import { Problem } from './problem.js';
import type { ReadRecorder } from './read-recorder.js';
import type { TokenList } from './token-list.js';

/** A listener asks every client for a certificate, or none. */
export type Listener = 'certificate' | 'open';

export interface GateParts {
  readonly policy: Policy;
  /** What anybody may read, by ledger. */
  readonly publicParts: ReadonlyMap<string, PublicPart>;
  readonly tokens: () => TokenList;
  readonly recorder: ReadRecorder;
  readonly limits: { readonly hashes: RateLimit; readonly content: RateLimit };
  /** By which listener a request came in. */
  readonly listenerOf: (request: Request) => Listener;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What is asked for. */
export interface Asked {
  readonly ledger: string;
  readonly origin: string;
  readonly operation: string;
  readonly reading: Reading;
}

/** The certificate of a connection: whose it is, and until when, milliseconds since 1970. */
interface Shown {
  readonly client: Client | null;
  readonly until: number;
}

export class Gate {
  /** A connection has one certificate for all its requests: listeners take no renegotiation. */
  private readonly certificates = new WeakMap<TLSSocket, Shown>();

  constructor(private readonly parts: GateParts) {}

  /**
   * Lets a request pass.
   * @returns as what: `open` for anybody, `allowed` for this client alone
   * @throws Problem access.unknown, access.denied, rate.exceeded, read.unrecorded
   */
  pass(request: Request, { ledger, origin, operation, reading }: Asked): 'open' | 'allowed' {
    const { publicParts, limits, recorder } = this.parts;
    const client = this.identify(request);
    const access = accessOf(client, ledger, publicParts.get(ledger) ?? 'none', reading);
    this.count(request, client, access === 'open' || reading === 'hashes' ? limits.hashes : limits.content);
    if (access === 'unknown' || client === null) {
      if (access === 'open') return access;
      throw new Problem('access.unknown', 'show a token, or use the listener for certificates with that of an auditor');
    }
    if (access === 'denied') throw new Problem('access.denied', `${client.id} may not read the ledger ${ledger}`);
    if (access === 'allowed' && reading !== 'hashes') {
      const { url = '', socket } = request.raw;
      recorder.record({ client, operation, origin, request: url, address: socket.remoteAddress ?? '' });
    }
    return access;
  }

  /** For what is not of one ledger: any client, and how often. @throws Problem access.unknown, rate.exceeded */
  passAny(request: Request): Client {
    const client = this.identify(request);
    this.count(request, client, this.parts.limits.hashes);
    if (client !== null) return client;
    throw new Problem('access.unknown', 'show a token, or use the listener for certificates with that of an auditor');
  }

  /** For what anybody may have. @throws Problem rate.exceeded */
  passOpen(request: Request): void {
    this.count(request, null, this.parts.limits.hashes);
  }

  /** Null for a client that shows nothing. @throws Problem access.unknown for one that shows something else */
  private identify(request: Request): Client | null {
    if (this.parts.listenerOf(request) === 'certificate') return this.byCertificate(request);
    const { authorization } = request.raw.headers;
    if (authorization === undefined) return null;
    const client = this.parts.tokens().clientOf(authorization, this.parts.now());
    if (client !== null) return client;
    this.count(request, null, this.parts.limits.content);
    throw new Problem('access.unknown', 'there is no such token, or it has expired: ask the operator for another one');
  }

  /** TLS has checked it when the connection began: of the clients' root, for clientAuth, in force. It may have ended since. */
  private byCertificate({ raw: { socket } }: Request): Client {
    let known = this.certificates.get(socket);
    if (known === undefined) this.certificates.set(socket, (known = this.read(socket)));
    if (known.client !== null && this.parts.now() < known.until) return known.client;
    throw new Problem('access.denied', 'the certificate is not one of an auditor in the policy, or has expired');
  }

  private read(socket: TLSSocket): Shown {
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    if (certificate === undefined) return { client: null, until: 0 };
    const { names, notAfter } = certificateFacts(certificate);
    const auditor = auditorByNames(this.parts.policy, names);
    const client = auditor === null ? null : { id: `auditor/${auditor.name}`, ledgers: auditor.ledgers };
    return { client, until: notAfter.getTime() };
  }

  private count({ raw }: Request, client: Client | null, limit: RateLimit): void {
    const wait = limit.take(client?.id ?? countedAddress(raw.socket.remoteAddress ?? ''));
    if (wait > 0) throw new Problem('rate.exceeded', `too many requests: ask again in ${wait} s`, wait);
  }
}
