/**
 * Whole handshakes, by Node's own TLS: what cannot be seen without keys. It offers and takes everything that this build of
 * OpenSSL knows, and trusts anybody: what is wrong is for the rules to say, and a client that refused would see nothing.
 *
 * A server that wants a certificate says so in TLS 1.3 only after the client believes that all is well (RFC 8446 §4.4.2.4
 * and the order of the flights): so every connection goes on to the first words of its protocol and waits for the answer.
 */
import type { X509Certificate } from 'node:crypto';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { isIP } from 'node:net';
import { alpnOf } from './ask-hello.js';
import type { Endpoint, Target } from './endpoint.js';
import { greet, isSilence, readGreeting, type Greeting } from './greeting.js';
import type { Admission } from './observation.js';
import { goToTls, NoTls } from './to-tls.js';
import { Wire, WireError } from './wire.js';

/** PEM of a client certificate with its chain, and of its key. */
export interface ClientIdentity {
  cert: string | Buffer;
  key: string | Buffer;
}

export interface Visit {
  admission: Admission;
  /** The server's certificate and what it sent with it, leaf first; null when the handshake did not come so far. */
  chain: X509Certificate[] | null;
  /** What takes this session up again; null when none came. */
  session: Buffer | null;
  /** This was a session that was taken up again. */
  isResumed: boolean;
  alpn: string | null;
  hsts: number | null;
}

/** TLS 1.3's must be named, or Node leaves that version out. */
const EVERY_SUITE = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
  'ALL',
  'COMPLEMENTOFALL',
].join(':');
/** Takes whatever comes. */
const NO_STANDARDS = '@SECLEVEL=0';
/** 112 bits everywhere, no SHA-1; the default differs from one OpenSSL to the next. */
const SOME_STANDARDS = '@SECLEVEL=2';
const MOST_SAID = 128 * 1024;

/**
 * Comes as a client with this certificate, or none, and says the first words. Never throws for what a peer does.
 * @param session of an earlier visit, to be taken up again
 */
export async function visit(
  endpoint: Target,
  identity: ClientIdentity | null,
  milliseconds: number,
  session: Buffer | null = null,
): Promise<Visit> {
  const nothing = { chain: null, session: null, isResumed: false, alpn: null, hsts: null };
  let wire: Wire | null = null;
  try {
    wire = await Wire.open(endpoint, milliseconds);
    await goToTls(wire, endpoint);
    return await new Conversation(endpoint, identity, wire, session).outcome(milliseconds);
  } catch (error) {
    if (error instanceof WireError || error instanceof NoTls) {
      return { admission: { outcome: 'unknown', said: error.message }, ...nothing };
    }
    throw error;
  } finally {
    wire?.close();
  }
}

/**
 * What OpenSSL itself, with its own rules for chains, says against a server; names and dates are looked at elsewhere.
 * @returns its code; null for nothing; undefined when no handshake came about
 */
export async function libraryVerdict(
  endpoint: Target,
  roots: readonly string[],
  milliseconds: number,
): Promise<string | null | undefined> {
  let wire: Wire | null = null;
  try {
    wire = await Wire.open(endpoint, milliseconds);
    await goToTls(wire, endpoint);
    const socket = connect({
      ...optionsFor(endpoint, wire),
      ca: [...roots],
      ciphers: `${EVERY_SUITE}:${SOME_STANDARDS}`,
    });
    return await within<string | null | undefined>(socket, milliseconds, undefined, (settle) => {
      socket.once('secureConnect', () => settle(codeOf(socket.authorizationError)));
    });
  } catch (error) {
    if (error instanceof WireError || error instanceof NoTls) return undefined;
    throw error;
  } finally {
    wire?.close();
  }
}

/** Node says the code, or an Error that carries it. */
function codeOf(error: unknown): string | null {
  if (error === null || error === undefined) return null;
  if (typeof error === 'string') return error;
  return typeof error === 'object' && 'code' in error ? String(error.code) : 'unknown';
}

function optionsFor(endpoint: Endpoint, wire: Wire): ConnectionOptions {
  return {
    socket: wire.release(),
    ...(isIP(endpoint.host) === 0 ? { servername: endpoint.host } : {}),
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1',
    ALPNProtocols: [...alpnOf(endpoint)],
  };
}

/** Runs until somebody settles, the socket ends, or the time is up. */
function within<T>(
  socket: TLSSocket,
  milliseconds: number,
  otherwise: T,
  run: (settle: (value: T) => void) => void,
): Promise<T> {
  return new Promise<T>((resolve) => {
    const timer = setTimeout(() => settle(otherwise), milliseconds);
    const settle = (value: T): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(value);
    };
    socket.on('error', () => settle(otherwise)).on('close', () => settle(otherwise));
    run(settle);
  });
}

class Conversation {
  private readonly socket: TLSSocket;
  private said = Buffer.alloc(0);
  private chain: X509Certificate[] | null = null;
  private alpn: string | null = null;
  private session: Buffer | null = null;
  private isResumed = false;

  constructor(
    private readonly endpoint: Endpoint,
    identity: ClientIdentity | null,
    wire: Wire,
    session: Buffer | null,
  ) {
    // No roots: of the chain it shows what was sent, and adds nothing of its own.
    const trust = { ca: [], ciphers: `${EVERY_SUITE}:${NO_STANDARDS}` };
    // HTTP/1.1 alone here: what is asked is asked in it.
    const alpn = endpoint.protocol === 'https' ? { ALPNProtocols: ['http/1.1'] } : {};
    const own = identity ? { cert: identity.cert, key: identity.key } : {};
    this.socket = connect({ ...optionsFor(endpoint, wire), ...trust, ...alpn, ...own, ...(session && { session }) });
  }

  outcome(milliseconds: number): Promise<Visit> {
    const { socket, endpoint } = this;
    return new Promise<Visit>((resolve) => {
      const timer = setTimeout(
        () => settle({ outcome: 'unknown', said: `no answer within ${milliseconds} ms` }),
        milliseconds,
      );
      const settle = (admission: Admission, greeting: Greeting | null = null): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(this.visited(admission, greeting));
      };
      const refused = (by: 'tls' | 'application', said: string): void => settle({ outcome: 'refused', by, said });
      socket.on('session', (session: Buffer) => {
        this.session = session;
      });
      socket.once('secureConnect', () => {
        this.chain = sentChain(socket);
        this.alpn = socket.alpnProtocol || null;
        this.isResumed = socket.isSessionReused();
        socket.write(greet(endpoint));
      });
      socket.on('data', (data: Buffer) => {
        this.said = Buffer.concat([this.said, data]);
        const greeting = readGreeting(endpoint, this.said);
        if (greeting?.letIn) settle({ outcome: 'let-in', said: greeting.said }, greeting);
        else if (greeting) settle({ outcome: 'refused', by: 'application', said: greeting.said }, greeting);
        else if (this.said.length > MOST_SAID) settle({ outcome: 'unknown', said: 'an answer without an end' });
      });
      socket.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
        if (isRefusal(code)) refused('tls', code);
        else settle({ outcome: 'unknown', said: code || 'the handshake failed' });
      });
      socket.on('close', () => {
        if (isSilence(endpoint, this.said)) refused('tls', 'hung up');
        else settle({ outcome: 'unknown', said: 'hung up after words that mean neither' });
      });
    });
  }

  private visited(admission: Admission, greeting: Greeting | null): Visit {
    const { chain, alpn, session, isResumed } = this;
    return { admission, chain, alpn, session, isResumed, hsts: greeting?.hsts ?? null };
  }
}

/** An alert of the other end, or a connection that it broke; anything else is a failure on this side. */
function isRefusal(code: string): boolean {
  return code.includes('ALERT') || code === 'ECONNRESET' || code === 'EPIPE';
}

function sentChain(socket: TLSSocket): X509Certificate[] | null {
  const chain: X509Certificate[] = [];
  for (let next = socket.getPeerX509Certificate(); next; next = next.issuerCertificate) {
    if (chain.some(({ fingerprint256 }) => fingerprint256 === next?.fingerprint256)) break;
    chain.push(next);
  }
  return chain.length === 0 ? null : chain;
}
