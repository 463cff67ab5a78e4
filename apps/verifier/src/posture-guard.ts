/**
 * The TLS of the installation's endpoints, as anybody can see it on the wire: verdicts `tls.posture` and `tls.expiry`, and an
 * event of the system ledger for what was seen.
 *
 * - **When.** All endpoints on a schedule with jitter, when one of the files changes, and when asked (SIGHUP). An endpoint
 *   with a finding that may pass by itself is looked at again by every look until it has passed, or lasted too long.
 * - **Against what.** The grade that is asked for; the pinned keys; the certificate in the server's files; the posture of
 *   before: a weaker one, or another issuer than before that is not the one in the files, is a record that stands.
 * - **Time.** How near certificates are to their end is judged at every look by the clock that was handed in, of what was
 *   last seen and of the files.
 * - **Evidence.** Every full scan is written down, a partial one when something is not as it was written before.
 */
import {
  formatPostureEvents,
  formatTimestamp,
  sha256,
  type EndpointPosture,
  type LogMemory,
} from '@everseal/audit-core';
import type { AlertBook } from '@everseal/process';
import {
  isBelow,
  judge,
  scan,
  summarise,
  worstOf,
  type ClientIdentity,
  type Grade,
  type Observation,
  type Posture,
  type PostureFinding,
  type Target,
} from '@everseal/tls-posture';
import { certificatesIn, digestOf, leafIn, placedCertificates, unreadable, updatesIn } from './posture-files.js';
import {
  expiryFindings,
  isComplete,
  isPassing,
  postureFinding,
  postureFindings,
  reusedKeys,
  revocationFindings,
  type SubjectFinding,
} from './posture-findings.js';
import type { PostureMemory, RememberedEndpoint } from './posture-memory.js';

export interface WatchedEndpoint {
  readonly endpoint: Target;
  /** Whose it is; two services may not share a key. Null: nobody's that is known. */
  readonly service: string | null;
  /** The certificate that it ought to serve, where this machine has it. */
  readonly certFile: string | null;
  /** Roots that it has to come from. */
  readonly caFile: string;
  /** SHA-256 of public keys, hex, one of which must stand in the path; empty for none. */
  readonly pins: readonly string[];
  /** As which the scanner comes, where it can. */
  readonly identity: () => ClientIdentity | undefined;
}

export interface PostureGuardOptions {
  readonly domain: string;
  readonly verifier: string;
  readonly endpoints: readonly WatchedEndpoint[];
  /** Further certificates whose end is watched: this verifier's own, and the roots. */
  readonly certFiles: readonly string[];
  readonly revocationLists: readonly string[];
  readonly minimum: Grade;
  /** Between two full scans, milliseconds, give or take a fifth. */
  readonly everyMs: number;
  /** Before the first. */
  readonly firstAfterMs: number;
  /** How long what may pass by itself is not said, milliseconds. */
  readonly graceMs: number;
  /** Of one question, milliseconds. */
  readonly patienceMs: number;
  /** Name and URI that the stranger claims: somebody whom the servers know. */
  readonly claims: { commonName: string; uri: string };
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** A clock that nobody sets, milliseconds. */
  readonly steady: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Unique, for ever. */
  readonly newId: () => string;
  /** Takes an event for the system ledger; false when it cannot now. */
  readonly seal: (event: Buffer) => boolean;
  readonly ledgers: readonly { readonly origin: string; readonly memory: () => Pick<LogMemory, 'size' | 'height'> }[];
}

interface Look {
  readonly watched: WatchedEndpoint;
  readonly seen: Observation;
  readonly posture: Posture;
}

const JITTER = 0.2;

export class PostureGuard {
  /** The newest look at each endpoint that saw a certificate; by URL. */
  private readonly latest = new Map<string, Look>();
  /** Since when a passing finding has been there, by URL and rule; by the steady clock. */
  private readonly since = new Map<string, number>();
  private readonly waiting: Buffer[] = [];
  private nextAt: number;
  private digest: string;
  private isWanted = false;

  constructor(
    private readonly alerts: AlertBook,
    private readonly memory: PostureMemory,
    private readonly options: PostureGuardOptions,
  ) {
    this.nextAt = options.steady() + options.firstAfterMs;
    this.digest = digestOf(this.files());
  }

  /** The next look scans everything. */
  rescan(): void {
    this.isWanted = true;
  }

  async look(): Promise<void> {
    const isFull = this.isFullDue();
    const due = isFull ? this.options.endpoints : this.options.endpoints.filter((one) => this.isPending(one));
    const looks: Look[] = [];
    // One after the other: a scan of its own is six connections at a time already.
    for (const watched of due) looks.push(await this.lookAt(watched));
    for (const look of looks) this.report(look);
    if (looks.length > 0) this.reportKeys();
    this.reportExpiry();
    if (looks.length > 0) this.write(looks, isFull);
    this.sealWaiting();
  }

  private isFullDue(): boolean {
    const { everyMs, steady, random } = this.options;
    const digest = digestOf(this.files());
    if (!this.isWanted && digest === this.digest && steady() < this.nextAt) return false;
    this.isWanted = false;
    this.digest = digest;
    this.nextAt = steady() + everyMs * (1 - JITTER + 2 * JITTER * random());
    return true;
  }

  private isPending({ endpoint }: WatchedEndpoint): boolean {
    return [...this.since.keys()].some((key) => key.startsWith(`${endpoint.url} `));
  }

  private async lookAt(watched: WatchedEndpoint): Promise<Look> {
    const { claims, now, patienceMs } = this.options;
    const { endpoint, caFile, certFile, pins } = watched;
    const roots = certificatesIn(caFile) ?? [];
    const seen = await scan(endpoint, { roots, identity: watched.identity(), claims, now, patienceMs });
    const onDisk = certFile === null ? null : leafIn(certFile);
    return { watched, seen, posture: judge(seen, { endpoint, pins, onDisk, now: now() }) };
  }

  private report(look: Look): void {
    const { minimum } = this.options;
    const { url } = look.watched.endpoint;
    if (look.seen.chain !== null) this.latest.set(url, look);
    const lasting = this.lasting(url, look.posture.findings);
    const complete = isComplete(look.posture);
    this.reconcile(`the TLS of ${url}`, postureFindings(url, lasting, minimum), complete);
    if (complete) this.compare(look, worstOf(lasting.map(({ atMost }) => atMost)));
  }

  /** Without those that may pass by themselves and have not lasted yet. */
  private lasting(url: string, findings: readonly PostureFinding[]): PostureFinding[] {
    const now = this.options.steady();
    const passing = findings.filter(isPassing).map(({ id }) => `${url} ${id}`);
    for (const key of this.since.keys()) {
      if (key.startsWith(`${url} `) && !passing.includes(key)) this.since.delete(key);
    }
    for (const key of passing) if (!this.since.has(key)) this.since.set(key, now);
    return findings.filter((finding) => {
      return !isPassing(finding) || now - (this.since.get(`${url} ${finding.id}`) ?? now) >= this.options.graceMs;
    });
  }

  /** With the posture of before. What has become weaker and is still good enough is said once, and stands. */
  private compare({ watched, seen, posture }: Look, grade: Grade): void {
    const { minimum } = this.options;
    const { url } = watched.endpoint;
    const before = this.memory.of(url);
    const issuer = issuerOf(seen);
    const isPinned = watched.pins.length > 0 && !posture.findings.some(({ id }) => id === 'certificate.pin');
    const isOnDisk = watched.certFile !== null && seen.chain?.sent[0]?.fingerprint === leafIn(watched.certFile);
    if (before && isBelow(grade, before.grade) && !isBelow(grade, minimum)) {
      const why = posture.findings.filter(({ atMost }) => isBelow(atMost, before.grade)).map(({ what }) => what);
      const detail = `${url} is weaker than before: ${why.join('; ')}`;
      this.record(url, `weaker ${formatTimestamp(seen.at)}`, detail, before.grade, grade);
    }
    if (before && before.issuer !== '' && issuer !== '' && before.issuer !== issuer && !isPinned && !isOnDisk) {
      const detail = `${url} serves a certificate of another issuer than before: ${seen.chain?.sent[0]?.issuer ?? 'none'}`;
      this.record(url, `issuer ${issuer}`, detail, before.issuer, issuer);
    }
    // A grade that is too low is an alert of its own; what comes after it is compared with the one before.
    const good = before && isBelow(grade, minimum) ? before.grade : grade;
    this.memory.remember(url, {
      grade: good,
      issuer: issuer || (before?.issuer ?? ''),
      written: before?.written ?? '',
    });
  }

  private record(url: string, subject: string, detail: string, expected: string, found: string): void {
    this.alerts.raise(`changes of the TLS of ${url}`, postureFinding(detail, expected, found), {
      ledger: this.options.domain,
      subject: `${url} ${subject}`,
      stands: true,
    });
  }

  private reportKeys(): void {
    const seen = [...this.latest.values()].map(({ watched, seen: observation }) => ({
      service: watched.service,
      observation,
    }));
    this.reconcile('the keys of the TLS endpoints', reusedKeys(seen));
  }

  private reportExpiry(): void {
    const { certFiles, revocationLists, now } = this.options;
    const served = [...this.latest.values()].flatMap(({ seen }) =>
      (seen.chain?.used ?? []).map((certificate) => ({ where: seen.url, certificate })),
    );
    const files = [...new Set([...certFiles, ...this.options.endpoints.flatMap(({ certFile }) => certFile ?? [])])];
    const lists = revocationLists.map((file) => ({ file, updates: updatesIn(file) }));
    this.reconcile('the certificates', expiryFindings([...served, ...placedCertificates(files)], now()));
    this.reconcile('the revocation lists', revocationFindings(lists, now()));
    this.reconcile('the certificate files', unreadable(files));
  }

  private reconcile(scope: string, findings: readonly SubjectFinding[], complete = true): void {
    const context = { ledger: this.options.domain };
    this.alerts.reconcile(
      scope,
      findings.map(({ finding, subject }) => ({ finding, context: { ...context, subject } })),
      complete,
    );
  }

  /** Everything after a full scan; else what is not as it was written down before. */
  private write(looks: readonly Look[], isFull: boolean): void {
    const { domain, verifier, newId, now, ledgers } = this.options;
    const summaries = looks.map(({ seen, posture }) => summarise(seen, posture));
    const written = isFull
      ? summaries
      : summaries.filter((one) => this.memory.of(one.url)?.written !== digestOfSummary(one));
    if (written.length > 0) {
      const event = {
        id: newId(),
        domain,
        verifier,
        time: formatTimestamp(now()),
        grade: worstOf(looks.map(({ posture }) => posture.grade)),
        ledgers: ledgers.map(({ origin, memory }) => {
          const { size, height } = memory();
          return { origin, entries: size, block: height };
        }),
        endpoints: written,
      };
      this.waiting.push(...formatPostureEvents(event));
    }
    for (const one of written) {
      const known: RememberedEndpoint = this.memory.of(one.url) ?? { grade: 'F', issuer: '', written: '' };
      this.memory.remember(one.url, { ...known, written: digestOfSummary(one) });
    }
    this.memory.save();
  }

  /** In order; what is not taken now waits for the next look. */
  private sealWaiting(): void {
    while (this.waiting.length > 0 && this.options.seal(this.waiting[0]!)) this.waiting.shift();
  }

  /** Whatever changes in these is a reason to scan at once. */
  private files(): string[] {
    const { certFiles, revocationLists, endpoints } = this.options;
    return [
      ...certFiles,
      ...revocationLists,
      ...endpoints.flatMap(({ certFile, caFile }) => [certFile ?? [], caFile].flat()),
    ];
  }
}

function digestOfSummary(summary: EndpointPosture): string {
  return sha256(Buffer.from(JSON.stringify(summary))).toString('hex');
}

/** Its public key; '' without a trusted chain, which is a finding of its own. */
function issuerOf({ chain }: Observation): string {
  return chain?.path === 'trusted' ? (chain.used[1] ?? chain.used[0])!.spki : '';
}
