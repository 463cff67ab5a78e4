/**
 * One scan of one endpoint: every question that the rules need an answer to, some at a time, in well under two seconds on
 * a network that is not far. Nothing is judged here. Whatever the other end does, a scan ends with an observation.
 *
 * Each question is a connection that the server sees fail: scans stand in its log, and are no secret.
 */
import { X509Certificate } from 'node:crypto';
import { alpnOf, askHello, type AskHello, type HelloAnswer } from './ask-hello.js';
import { Bounded } from './bounded.js';
import { observeChain } from './certificate.js';
import { SUITE_FAMILIES, TLS13_SUITES } from './cipher-suite.js';
import type { Target } from './endpoint.js';
import { KEY_GROUPS } from './key-group.js';
import type { Admission, Observation, ObservedChain } from './observation.js';
import { findOffers, type Offers } from './offers.js';
import { visitInClear } from './plain-client.js';
import { makeStranger } from './stranger.js';
import { libraryVerdict, visit, type ClientIdentity, type Visit } from './tls-client.js';
import type { TlsVersion } from './tls-version.js';

export interface ScanOptions {
  /** Roots that the server's certificate has to come from. */
  roots: readonly X509Certificate[];
  /** A certificate that the server lets in, where there is one: more can be seen with it. */
  identity?: ClientIdentity | undefined;
  /** Common name and URI that the stranger claims to be: those of somebody whom the server knows. */
  claims?: { commonName: string; uri: string } | undefined;
  /** Milliseconds since the epoch. */
  now: () => number;
  /** Of one question, milliseconds; default 1,500. It is put twice before it counts as unanswered. */
  patienceMs?: number | undefined;
  /** Connections at a time; default 6. */
  connections?: number | undefined;
}

const PATIENCE_MS = 1_500;
const CONNECTIONS = 6;
const NOBODY_KNOWN = { commonName: 'everseal-tls-scan', uri: 'spiffe://everseal.invalid/stranger' };
/** What nginx says to a client without a certificate, and everybody to a request that they do not like. */
const ANY_REASON = 'HTTP 400';
const GROUPS: readonly number[] = Object.values(KEY_GROUPS);
const OLD_SUITES = SUITE_FAMILIES.flat();
/** The newest first: one that answers to it is asked no further. */
const FIRST_WORDS: readonly (readonly [TlsVersion, readonly number[]])[] = [
  ['TLS 1.3', TLS13_SUITES],
  ['TLS 1.2', OLD_SUITES],
  ['TLS 1.0', OLD_SUITES],
  ['SSLv3', OLD_SUITES],
];

export async function scan(endpoint: Target, options: ScanOptions): Promise<Observation> {
  const began = performance.now();
  const at = options.now();
  const seen = await new Scan(endpoint, options).run();
  return { url: endpoint.url, at, ...seen, milliseconds: Math.round(performance.now() - began) };
}

type Seen = Omit<Observation, 'url' | 'at' | 'milliseconds'>;

class Scan {
  private readonly bounded: Bounded;
  private readonly patience: number;

  constructor(
    private readonly endpoint: Target,
    private readonly options: ScanOptions,
  ) {
    this.bounded = new Bounded(options.connections ?? CONNECTIONS);
    this.patience = options.patienceMs ?? PATIENCE_MS;
  }

  async run(): Promise<Seen> {
    const plain = this.twice(
      () => visitInClear(this.endpoint, this.patience),
      ({ admission }) => isUnknown(admission),
    );
    const why = await this.whyNoTls();
    if (why !== null) return { ...nothingSeen(why), plaintext: (await plain).admission };
    const [offers, visits, library, { admission: plaintext, infoInClear }] = await Promise.all([
      findOffers(this.ask),
      this.visits(),
      this.bounded.run(() => libraryVerdict(this.endpoint, this.rootPems(), this.patience)),
      plain,
    ]);
    const { nobody, stranger, own } = visits;
    const { versions, suites, groups, legacy, unanswered } = offers;
    const told = own ?? nobody;
    const { identity = null } = this.options;
    return {
      unreachable: Object.values(versions).includes('offered') ? null : 'it takes no version of TLS that is known',
      versions,
      suites,
      groups,
      legacy,
      unanswered,
      resumes: await this.resumes(told, own ? identity : null),
      alpn: told.alpn ?? offers.alpn,
      chain: this.chain([nobody, stranger, ...(own ? [own] : [])], offers, library ?? null),
      nobody: this.credible(nobody, offers, own),
      stranger: this.credible(stranger, offers, own),
      own: own?.admission ?? null,
      plaintext,
      infoInClear,
      hsts: told.hsts,
    };
  }

  /** Null when there is TLS. Whoever hangs up on the newest version may still speak an old one. */
  private async whyNoTls(): Promise<string | null> {
    let why = '';
    for (const [version, suites] of FIRST_WORDS) {
      const answer = await this.ask({ version, suites, groups: GROUPS });
      if (answer.kind === 'hello' || answer.kind === 'alert') return null;
      why = answer.kind === 'other' ? 'what answers does not speak TLS' : answer.why;
      if (answer.kind !== 'closed') break;
    }
    return why;
  }

  private async visits(): Promise<{ nobody: Visit; stranger: Visit; own: Visit | null }> {
    const { identity, claims = NOBODY_KNOWN, now } = this.options;
    const come = (as: ClientIdentity | null): Promise<Visit> =>
      this.twice(
        () => visit(this.endpoint, as, this.patience),
        ({ admission }) => isUnknown(admission),
      );
    const [nobody, stranger, own] = await Promise.all([
      come(null),
      come(makeStranger(claims.commonName, claims.uri, now())),
      identity ? come(identity) : null,
    ]);
    return { nobody, stranger, own };
  }

  /** Comes again with the session of a visit. Null when there was none. */
  private async resumes({ session }: Visit, identity: ClientIdentity | null): Promise<boolean | null> {
    if (session === null) return null;
    return (await this.bounded.run(() => visit(this.endpoint, identity, this.patience, session))).isResumed;
  }

  private chain(visits: readonly Visit[], offers: Offers, library: string | null): ObservedChain | null {
    const sent = visits.find(({ chain }) => chain !== null)?.chain ?? parsed(offers.chain);
    return sent && observeChain(sent, this.options.roots, this.endpoint.host, library);
  }

  /**
   * Before TLS 1.3 a server that misses a certificate says the same as one with which we share no cipher. It is believed
   * only where it asks for certificates at all. A 400 is believed where somebody else is let in.
   */
  private credible({ admission, chain }: Visit, { asksForCertificate }: Offers, own: Visit | null): Admission {
    if (admission.outcome !== 'refused') return admission;
    if (admission.by === 'tls' && chain === null && !asksForCertificate) {
      return { outcome: 'unknown', said: `no handshake came about: ${admission.said}` };
    }
    if (admission.said === ANY_REASON && own?.admission.outcome !== 'let-in') {
      return { outcome: 'unknown', said: `${ANY_REASON}, which may have any reason: look again with a certificate` };
    }
    return admission;
  }

  private readonly ask: AskHello = (offer) => {
    const { endpoint, patience } = this;
    const whole = { alpn: alpnOf(endpoint), ...offer, host: endpoint.host };
    return this.twice<HelloAnswer>(
      () => askHello(endpoint, whole, patience),
      ({ kind }) => kind === 'silent' || kind === 'unreachable',
    );
  };

  private async twice<T>(work: () => Promise<T>, isNothing: (result: T) => boolean): Promise<T> {
    const first = await this.bounded.run(work);
    return isNothing(first) ? this.bounded.run(work) : first;
  }

  private rootPems(): string[] {
    return this.options.roots.map((root) => root.toString());
  }
}

const isUnknown = ({ outcome }: Admission): boolean => outcome === 'unknown';

function parsed(chain: readonly Buffer[] | null): X509Certificate[] | null {
  try {
    return chain && chain.map((der) => new X509Certificate(der));
  } catch {
    return null; // no certificate: the rules miss the chain, and say so
  }
}

function nothingSeen(why: string): Omit<Seen, 'plaintext'> {
  const unknown: Admission = { outcome: 'unknown', said: 'not asked' };
  const versions = {
    SSLv3: 'unknown',
    'TLS 1.0': 'unknown',
    'TLS 1.1': 'unknown',
    'TLS 1.2': 'unknown',
    'TLS 1.3': 'unknown',
  } as const;
  return {
    unreachable: why,
    versions,
    suites: {},
    groups: [],
    legacy: null,
    resumes: null,
    alpn: null,
    chain: null,
    nobody: unknown,
    stranger: unknown,
    own: null,
    infoInClear: false,
    hsts: null,
    unanswered: [],
  };
}
