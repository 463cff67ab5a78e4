/**
 * What a scan saw of one endpoint: facts as plain values, nothing judged. The rules (rules.ts) read nothing else.
 *
 * Where a question could not be answered it says `unknown`, never `refused`: silence is no evidence of strength.
 */
import type { TlsVersion } from './tls-version.js';

export type Answer = 'offered' | 'refused' | 'unknown';

/** Whether somebody came in, and who kept him out. */
export type Admission =
  | { outcome: 'let-in'; said: string }
  | { outcome: 'refused'; by: 'tls' | 'application'; said: string }
  | { outcome: 'unknown'; said: string };

export interface ObservedCertificate {
  subject: string;
  issuer: string;
  /** `DNS:…`, `IP Address:…`, `URI:…` */
  names: string;
  /** Upper-case hex. */
  serial: string;
  /** Milliseconds since the epoch. */
  notBefore: number;
  notAfter: number;
  /** `ec`, `rsa`, `ed25519`, …, as node:crypto names it. */
  keyType: string;
  /** Size of the modulus or the curve; 0 when it is not known. */
  keyBits: number;
  /** Hash of the signature on it: `sha256`, `sha1`, `md5`, …; `none` for EdDSA; `unknown`. */
  signatureHash: string;
  isAuthority: boolean;
  /** Extended key usage; empty when it names none. */
  purposes: ('client' | 'server' | 'other')[];
  /** SHA-256 of the DER bytes, and of the public key alone (SPKI); lower-case hex. */
  fingerprint: string;
  spki: string;
}

/**
 * How the certificate ends in a root that is trusted. `incomplete`: an issuer on the way was not sent; `untrusted`: the end
 * is a root, of nobody we trust.
 */
export type PathState = 'trusted' | 'incomplete' | 'untrusted' | 'self-signed';

export interface ObservedChain {
  /** Leaf first, as far as they were sent. */
  sent: ObservedCertificate[];
  path: PathState;
  /** Every certificate from the leaf to the root, as far as it is known. */
  used: ObservedCertificate[];
  /** The leaf is for the host that was asked for. */
  isForHost: boolean;
  /** What OpenSSL says against the chain, by its own rules; null for nothing. */
  library: string | null;
}

export interface Observation {
  /** Of the endpoint, in its one form. */
  url: string;
  /** Milliseconds since the epoch, when the scan began. */
  at: number;
  /** Null when TLS was spoken; else why nothing more is known. */
  unreachable: string | null;
  versions: Record<TlsVersion, Answer>;
  /** Names of the suites that it takes, by version, in the order in which they were found. */
  suites: Partial<Record<TlsVersion, string[]>>;
  /** TLS 1.3 groups, in the server's order as far as it has one. */
  groups: string[];
  /** Before TLS 1.3; null when it speaks none of these. */
  legacy: {
    compression: Answer;
    secureRenegotiation: boolean;
    extendedMasterSecret: boolean;
    /** Offers to take sessions up again by ticket. */
    tickets: boolean;
    /** Shortest prime of a finite-field key exchange that was seen, bits; null when there was none. */
    dhBits: number | null;
  } | null;
  /** It took up a session again that it had given; null when none could be tried, as no client came so far. */
  resumes: boolean | null;
  /** Application protocol that it agreed on; null for none. */
  alpn: string | null;
  chain: ObservedChain | null;
  /** A client without a certificate, and one with a certificate that nobody trusts. */
  nobody: Admission;
  stranger: Admission;
  /** With the certificate that the scan was given; null when it was given none. */
  own: Admission | null;
  /** A client that does not do TLS at all. */
  plaintext: Admission;
  /** NATS, TLS first: it said INFO before the handshake all the same. */
  infoInClear: boolean;
  /** HTTPS: seconds of Strict-Transport-Security; null when it was not sent, or nobody was let in. */
  hsts: number | null;
  /** Questions that got no answer in time, or none that could be read; each makes the scan incomplete. */
  unanswered: string[];
  /** How long the scan took. */
  milliseconds: number;
}
