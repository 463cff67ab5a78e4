/**
 * The rules: each names something that keeps an endpoint from the best grade, and the grade that it can then have at most.
 * Pure: from what a scan saw and what is expected of the endpoint to findings. docs/operations/tls.md holds the same table
 * (a test compares them).
 *
 * They follow the public graders (SSL Labs 2009r), RFC 9325, NIST SP 800-52r2 and Mozilla's profiles where these agree, and
 * are stricter where a connection is between two programs of ours: nobody needs TLS 1.1, or has to be let in.
 */
import { suiteWeaknesses, type SuiteWeakness } from './cipher-suite.js';
import type { Endpoint } from './endpoint.js';
import type { Grade } from './grade.js';
import { isPostQuantum } from './key-group.js';
import type { Admission, Observation, ObservedCertificate } from './observation.js';
import type { TlsVersion } from './tls-version.js';

/** What the endpoint has to be, beside what every endpoint has to be. */
export interface Expectations {
  endpoint: Endpoint;
  /** SHA-256 of public keys (SPKI), lower-case hex, of which at least one stands in the path; none are pinned when empty. */
  pins: readonly string[];
  /** SHA-256 of the certificate in the server's files, lower-case hex; null when they are not known. */
  onDisk: string | null;
  /** Milliseconds since the epoch. */
  now: number;
}

export interface Rule {
  id: string;
  /** The best grade that is left. */
  atMost: Grade;
  /** When it applies, as the published table says it. */
  what: string;
  /** What was seen, for people; null when the rule has nothing to say. */
  finds: (seen: Observation, expected: Expectations) => string | null;
}

const MOST_SUITES = 4;
const LEAST_HSTS_SECONDS = 15_552_000; // half a year, as SSL Labs wants it
const EC_KEYS = new Set(['ec', 'ed25519', 'ed448']);
/** What OpenSSL says of dates; rules of their own say it by the clock that was handed in. */
const OF_DATES = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

const version =
  (name: TlsVersion): Rule['finds'] =>
  ({ versions }) =>
    versions[name] === 'offered' ? `${name} is offered` : null;

const suites =
  (weakness: SuiteWeakness): Rule['finds'] =>
  ({ suites: all }) => {
    const weak = new Set(
      Object.values(all).flatMap((names) => names.filter((name) => suiteWeaknesses(name).includes(weakness))),
    );
    return weak.size === 0 ? null : listed([...weak]);
  };

export const RULES: readonly Rule[] = [
  {
    id: 'endpoint.unreachable',
    atMost: 'F',
    what: 'no TLS is spoken there: nobody answers, or something else does',
    finds: ({ unreachable }) => unreachable,
  },
  {
    id: 'scan.incomplete',
    atMost: 'F',
    what: 'a question got no answer in time, or none that can be read',
    finds: (seen, { endpoint }) => unanswered(seen, endpoint),
  },
  {
    id: 'plaintext.accepted',
    atMost: 'F',
    what: 'a client is let in without TLS',
    finds: ({ plaintext }) => letIn(plaintext),
  },
  { id: 'protocol.ssl3', atMost: 'F', what: 'SSLv3 is offered', finds: version('SSLv3') },
  { id: 'protocol.tls10', atMost: 'F', what: 'TLS 1.0 is offered', finds: version('TLS 1.0') },
  { id: 'protocol.tls11', atMost: 'F', what: 'TLS 1.1 is offered', finds: version('TLS 1.1') },
  { id: 'suite.null', atMost: 'F', what: 'a suite without encryption', finds: suites('null') },
  { id: 'suite.anonymous', atMost: 'F', what: 'a suite without a certificate', finds: suites('anonymous') },
  { id: 'suite.export', atMost: 'F', what: 'an export suite', finds: suites('export') },
  { id: 'suite.rc4', atMost: 'F', what: 'a suite with RC4', finds: suites('rc4') },
  {
    id: 'suite.short-block',
    atMost: 'F',
    what: 'a suite with DES, 3DES, IDEA or RC2',
    finds: suites('short-block'),
  },
  {
    id: 'compression.on',
    atMost: 'F',
    what: 'TLS compresses',
    finds: ({ legacy }) => (legacy?.compression === 'offered' ? 'DEFLATE is offered' : null),
  },
  {
    id: 'renegotiation.insecure',
    atMost: 'F',
    what: 'before TLS 1.3: no secure renegotiation (RFC 5746)',
    finds: ({ legacy, versions }) =>
      legacy && !legacy.secureRenegotiation && onlyExtended(versions)
        ? 'its ServerHello lacks renegotiation_info'
        : null,
  },
  {
    id: 'clients.nobody',
    atMost: 'F',
    what: 'certificates are wanted, and a client without one is let in',
    finds: ({ nobody }, { endpoint }) => (endpoint.wantsCertificate ? letIn(nobody) : null),
  },
  {
    id: 'clients.stranger',
    atMost: 'F',
    what: 'certificates are wanted, and one of a foreign issuer is let in',
    finds: ({ stranger }, { endpoint }) => (endpoint.wantsCertificate ? letIn(stranger) : null),
  },
  {
    id: 'clients.own',
    atMost: 'F',
    what: "the scanner's own certificate, where it has one, is refused: that others are says nothing then",
    finds: ({ own }) => (own?.outcome === 'refused' ? own.said : null),
  },
  {
    id: 'key.weak',
    atMost: 'F',
    what: 'a key below 2,048 bits (RSA) or 256 (elliptic curves), or of another kind, in the chain',
    finds: ({ chain }) => firstOf(chain?.used, (one) => (isWeak(one) ? `${one.keyType} ${one.keyBits}` : null)),
  },
  {
    id: 'signature.broken',
    atMost: 'F',
    what: 'a certificate signed with MD2, MD4 or MD5',
    finds: ({ chain }) => signedWith(chain, /^md/),
  },
  {
    id: 'certificate.missing',
    atMost: 'F',
    what: 'no certificate could be seen',
    finds: ({ chain, unreachable }) => (chain === null && unreachable === null ? 'none was shown' : null),
  },
  {
    id: 'certificate.expired',
    atMost: 'T',
    what: 'a certificate in the chain has lapsed',
    finds: ({ chain }, { now }) =>
      firstOf(chain?.used, ({ notAfter }) => (notAfter <= now ? `lapsed on ${date(notAfter)}` : null)),
  },
  {
    id: 'certificate.early',
    atMost: 'T',
    what: 'a certificate in the chain is not valid yet',
    finds: ({ chain }, { now }) =>
      firstOf(chain?.used, ({ notBefore }) => (notBefore > now ? `valid from ${date(notBefore)}` : null)),
  },
  {
    id: 'certificate.self-signed',
    atMost: 'T',
    what: 'the certificate is signed by itself and not among the roots',
    finds: ({ chain }) => (chain?.path === 'self-signed' ? (chain.sent[0]?.subject ?? null) : null),
  },
  {
    id: 'certificate.incomplete',
    atMost: 'T',
    what: 'an issuer on the way to a trusted root was not sent',
    finds: ({ chain }) => (chain?.path === 'incomplete' ? `not sent: ${chain.used.at(-1)?.issuer}` : null),
  },
  {
    id: 'certificate.untrusted',
    atMost: 'T',
    what: 'the chain ends in a root that is not trusted',
    finds: ({ chain }) => (chain?.path === 'untrusted' ? `ends in ${chain.used.at(-1)?.subject}` : null),
  },
  {
    id: 'certificate.refused',
    atMost: 'T',
    what: 'OpenSSL refuses the chain for another reason (purpose, constraints, strength)',
    finds: ({ chain }) =>
      chain?.path === 'trusted' && chain.library !== null && !OF_DATES.has(chain.library) ? chain.library : null,
  },
  {
    id: 'certificate.pin',
    atMost: 'T',
    what: 'none of the pinned keys stands in the path',
    finds: ({ chain }, { pins }) =>
      chain && pins.length > 0 && !chain.used.some(({ spki }) => pins.includes(spki))
        ? `issued by ${chain.sent[0]?.issuer}`
        : null,
  },
  {
    id: 'signature.sha1',
    atMost: 'T',
    what: 'a certificate below the root signed with SHA-1, or with a hash that is not known',
    finds: ({ chain }) => signedWith(chain, /^(?:sha1|unknown)$/),
  },
  {
    id: 'certificate.name',
    atMost: 'M',
    what: 'the certificate is not for this host (the common name does not count)',
    finds: ({ chain }, { endpoint }) =>
      chain && !chain.isForHost ? `${endpoint.host} is not among ${chain.sent[0]?.names || 'no names'}` : null,
  },
  {
    id: 'suite.no-forward-secrecy',
    atMost: 'B',
    what: 'a suite without forward secrecy',
    finds: suites('no-forward-secrecy'),
  },
  {
    id: 'key-exchange.short',
    atMost: 'B',
    what: 'a finite-field key exchange below 2,048 bits',
    finds: ({ legacy }) => (legacy?.dhBits && legacy.dhBits < 2_048 ? `${legacy.dhBits} bits` : null),
  },
  {
    id: 'suite.none-authenticated',
    atMost: 'B',
    what: 'no suite with authenticated encryption (AEAD) at all',
    finds: (seen) => (noneAuthenticated(seen) ? 'CBC only' : null),
  },
  {
    id: 'protocol.no-tls13',
    atMost: 'A-',
    what: 'TLS 1.3 is not offered',
    finds: ({ versions }) => (versions['TLS 1.3'] === 'refused' ? 'TLS 1.3 is refused' : null),
  },
  {
    id: 'suite.cbc',
    atMost: 'A-',
    what: 'a suite without authenticated encryption (CBC)',
    finds: suites('no-aead'),
  },
  {
    id: 'session.master-secret',
    atMost: 'A-',
    what: 'before TLS 1.3: no extended master secret (RFC 7627)',
    finds: ({ legacy, versions }) =>
      legacy && !legacy.extendedMasterSecret && onlyExtended(versions) ? 'its ServerHello lacks it' : null,
  },
  {
    id: 'session.resumed',
    atMost: 'A-',
    what: 'HTTPS with client certificates takes up sessions again: a certificate that has lapsed since is not looked at',
    finds: ({ legacy, resumes }, { endpoint }) => {
      if (endpoint.scheme !== 'https+mtls') return null;
      return resumes === true ? 'a session was taken up again' : legacy?.tickets === true ? 'it gives tickets' : null;
    },
  },
  {
    id: 'certificate.purpose',
    atMost: 'A-',
    what: 'the certificate is not for servers alone',
    finds: ({ chain }) => wrongPurpose(chain?.sent[0]),
  },
  {
    id: 'certificate.stale',
    atMost: 'A-',
    what: 'it serves another certificate than the one in its files',
    finds: ({ chain }, { onDisk }) =>
      chain && onDisk !== null && chain.sent[0]?.fingerprint !== onDisk ? `serial ${chain.sent[0]?.serial}` : null,
  },
  {
    id: 'nats.info-first',
    atMost: 'A-',
    what: 'NATS says INFO in the clear before TLS: somebody between could change it',
    finds: ({ infoInClear, unreachable }, { endpoint }) => {
      if (infoInClear) return 'INFO came before the handshake';
      return endpoint.scheme === 'nats' && unreachable === null ? 'handshake_first is off' : null;
    },
  },
  {
    id: 'alpn.missing',
    atMost: 'A-',
    what: 'Postgres does not agree on its application protocol on a direct connection',
    finds: ({ alpn, nobody }, { endpoint }) =>
      endpoint.scheme === 'postgres+direct' && nobody.outcome !== 'unknown' && alpn !== 'postgresql'
        ? `it says ${alpn ?? 'nothing'}`
        : null,
  },
  {
    id: 'group.classical',
    atMost: 'A',
    what: 'no post-quantum group: what is recorded today may be read one day',
    finds: ({ groups, unreachable }) =>
      unreachable === null && !groups.some(isPostQuantum) ? groups.join(', ') || 'none' : null,
  },
  {
    id: 'http.no-hsts',
    atMost: 'A',
    what: 'HTTPS for anybody without Strict-Transport-Security of half a year',
    finds: ({ hsts, nobody }, { endpoint }) =>
      endpoint.scheme === 'https' && nobody.outcome === 'let-in' && (hsts ?? 0) < LEAST_HSTS_SECONDS
        ? hsts === null
          ? 'not sent'
          : `${hsts} s`
        : null,
  },
];

const letIn = (admission: Admission): string | null => (admission.outcome === 'let-in' ? admission.said : null);

function unanswered(seen: Observation, { wantsCertificate }: Endpoint): string | null {
  const { unreachable, versions, nobody, stranger, own, plaintext } = seen;
  // Without TLS that is said already; but whether it is spoken in the clear must be known all the same.
  if (unreachable !== null) return null;
  const open = [
    ...Object.entries(versions).flatMap(([name, answer]) => (answer === 'unknown' ? [name] : [])),
    ...seen.unanswered,
    ...asked('a client without a certificate', wantsCertificate ? nobody : null),
    ...asked('a client of a foreign issuer', wantsCertificate ? stranger : null),
    ...asked("the scanner's own certificate", own),
    ...asked('a client without TLS', plaintext),
  ];
  return open.length === 0 ? null : listed([...new Set(open)]);
}

function asked(who: string, admission: Admission | null): string[] {
  return admission?.outcome === 'unknown' ? [`${who}: ${admission.said}`] : [];
}

/** SSLv3 alone knows no extensions; it is refused as such. */
function onlyExtended(versions: Observation['versions']): boolean {
  return versions['TLS 1.2'] === 'offered' || versions['TLS 1.1'] === 'offered' || versions['TLS 1.0'] === 'offered';
}

function isWeak({ keyType, keyBits }: ObservedCertificate): boolean {
  if (EC_KEYS.has(keyType)) return keyBits < 256;
  return !(keyType === 'rsa' || keyType === 'rsa-pss') || keyBits < 2_048;
}

function signedWith(chain: Observation['chain'], hash: RegExp): string | null {
  // Nobody checks the signature of a root: it is trusted for what it is.
  const below = chain?.used.filter(({ subject, issuer }, i) => i === 0 || subject !== issuer);
  return firstOf(below, ({ signatureHash }) => (hash.test(signatureHash) ? `signed with ${signatureHash}` : null));
}

function wrongPurpose(leaf: ObservedCertificate | undefined): string | null {
  if (leaf === undefined || (leaf.purposes.length === 1 && leaf.purposes[0] === 'server')) return null;
  return `extended key usage: ${leaf.purposes.join(', ') || 'none'}`;
}

function noneAuthenticated({ suites: all, unreachable }: Observation): boolean {
  const names = Object.values(all).flat();
  return unreachable === null && names.every((name) => suiteWeaknesses(name).includes('no-aead'));
}

function firstOf(
  chain: readonly ObservedCertificate[] | undefined,
  finds: (certificate: ObservedCertificate) => string | null,
): string | null {
  for (const certificate of chain ?? []) {
    const found = finds(certificate);
    if (found !== null) return `${certificate.subject || certificate.names}: ${found}`;
  }
  return null;
}

function listed(names: readonly string[]): string {
  const more = names.length - MOST_SUITES;
  return names.slice(0, MOST_SUITES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

const date = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z');
