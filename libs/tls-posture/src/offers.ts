/**
 * What a server takes, found by asking: each question is one ClientHello on a connection of its own. Suites and groups are
 * found by leaving out what it chose and asking again, so a hardened server is asked a handful of times, not a hundred.
 *
 * | question | a server that has it |
 * | --- | --- |
 * | each version alone | answers with it |
 * | suites of a family, at one version | chooses one; asked again without it |
 * | groups of TLS 1.3, none with a share | names one in a HelloRetryRequest; asked again without it |
 * | DEFLATE beside none | chooses it |
 *
 * An alert, a connection that is closed or a lower version means no. Silence means that nothing is known.
 */
import type { AskHello, HelloAnswer } from './ask-hello.js';
import { SUITE_FAMILIES, suiteName, TLS13_SUITES } from './cipher-suite.js';
import { EXTENSION } from './client-hello.js';
import { groupName, KEY_GROUPS } from './key-group.js';
import type { Answer, Observation } from './observation.js';
import type { ClearFlight, ServerHello } from './server-flight.js';
import { TLS_VERSIONS, VERSION_NAMES, type TlsVersion } from './tls-version.js';

const ALL_GROUPS: readonly number[] = Object.values(KEY_GROUPS);
/** Before TLS 1.3 there is no post-quantum group, and some old servers stumble over long lists. */
const OLD_GROUPS: readonly number[] = ALL_GROUPS.filter((group) => group < 0x1000);
const EVERY_OLD_SUITE: readonly number[] = SUITE_FAMILIES.flat();
const DEFLATE = 1;

export interface Offers extends Pick<Observation, 'versions' | 'suites' | 'groups' | 'legacy'> {
  /** Certificates that were seen in the clear, leaf first; of the newest version that shows them. */
  chain: Buffer[] | null;
  alpn: string | null;
  /** Before TLS 1.3. */
  asksForCertificate: boolean;
  unanswered: string[];
}

type Chosen = { hello: ServerHello; clear: ClearFlight };

export async function findOffers(ask: AskHello): Promise<Offers> {
  return new OfferSearch(ask).run();
}

class OfferSearch {
  private readonly unanswered: string[] = [];
  private readonly seen: (Chosen & { version: TlsVersion })[] = [];

  constructor(private readonly ask: AskHello) {}

  async run(): Promise<Offers> {
    const versions = await this.findVersions();
    const offered = VERSION_NAMES.filter((version) => versions[version] === 'offered');
    const old = offered.filter((version) => version !== 'TLS 1.3');
    const [groups, compression, ...suites] = await Promise.all([
      offered.includes('TLS 1.3') ? this.findGroups() : [],
      this.findCompression(old.at(-1)),
      ...offered.map((version) => this.findSuites(version)),
    ]);
    const newest = this.seen.findLast(({ version, clear }) => version === old.at(-1) && clear.chain.length > 0);
    return {
      versions,
      suites: Object.fromEntries(offered.map((version, i) => [version, suites[i] ?? []])),
      groups,
      legacy: old.length === 0 ? null : this.legacy(compression),
      chain: newest?.clear.chain ?? null,
      alpn: newest?.hello.alpn ?? null,
      asksForCertificate: this.seen.some(({ clear }) => clear.asksForCertificate),
      unanswered: this.unanswered,
    };
  }

  private async findVersions(): Promise<Record<TlsVersion, Answer>> {
    const answers = await Promise.all(
      VERSION_NAMES.map(async (version): Promise<[TlsVersion, Answer]> => {
        const suites = version === 'TLS 1.3' ? TLS13_SUITES : EVERY_OLD_SUITE;
        const { answer } = await this.put(version, { suites }, version);
        return [version, answer];
      }),
    );
    return Object.fromEntries(answers) as Record<TlsVersion, Answer>;
  }

  private async findSuites(version: TlsVersion): Promise<string[]> {
    const families = version === 'TLS 1.3' ? [TLS13_SUITES] : SUITE_FAMILIES;
    const found = await Promise.all(
      families.map((family) => {
        return this.exhaust(family, `${version} suites`, async (suites, what) => {
          return (await this.put(version, { suites }, what)).chosen?.hello.suite ?? null;
        });
      }),
    );
    return found.flat().map(suiteName);
  }

  private async findGroups(): Promise<string[]> {
    const found = await this.exhaust(ALL_GROUPS, 'groups', async (groups, what) => {
      return (await this.put('TLS 1.3', { suites: TLS13_SUITES, groups }, what)).chosen?.hello.group ?? null;
    });
    return found.map(groupName);
  }

  /** Asks with less and less until nothing is chosen any more. What was not on offer ends it: it would never end. */
  private async exhaust(
    all: readonly number[],
    what: string,
    choose: (left: readonly number[], what: string) => Promise<number | null>,
  ): Promise<number[]> {
    const found: number[] = [];
    for (let left = all; left.length > 0; left = left.filter((one) => !found.includes(one))) {
      const chosen = await choose(left, what);
      if (chosen === null) break;
      if (!left.includes(chosen)) {
        this.unanswered.push(`${what}: it chose what was not offered`);
        break;
      }
      found.push(chosen);
    }
    return found;
  }

  private async findCompression(version: TlsVersion | undefined): Promise<Answer> {
    if (version === undefined) return 'refused';
    const offer = { suites: EVERY_OLD_SUITE, compression: true };
    const { answer, chosen } = await this.put(version, offer, 'compression');
    if (answer !== 'offered') return answer;
    return chosen?.hello.compression === DEFLATE ? 'offered' : 'refused';
  }

  private legacy(compression: Answer): NonNullable<Observation['legacy']> {
    const before13 = this.seen.filter(({ version }) => version !== 'TLS 1.3');
    const withExtensions = before13.filter(({ version }) => version !== 'SSLv3');
    // One suite without it is one too many; SSLv3 has no extensions, and is refused as a whole.
    const always = (extension: number): boolean =>
      withExtensions.length > 0 && withExtensions.every(({ hello }) => hello.extensions.has(extension));
    const primes = before13.flatMap(({ clear }) => clear.dhBits ?? []);
    return {
      compression,
      secureRenegotiation: always(EXTENSION.renegotiation),
      extendedMasterSecret: always(EXTENSION.extendedMasterSecret),
      tickets: before13.some(({ hello }) => hello.extensions.has(EXTENSION.sessionTicket)),
      dhBits: primes.length === 0 ? null : Math.min(...primes),
    };
  }

  /** One question. */
  private async put(
    version: TlsVersion,
    offer: { suites: readonly number[]; groups?: readonly number[]; compression?: boolean },
    what: string,
  ): Promise<{ answer: Answer; chosen: Chosen | null }> {
    const groups = offer.groups ?? (version === 'TLS 1.3' ? ALL_GROUPS : OLD_GROUPS);
    const came = await this.ask({ version, groups, ...offer });
    if (came.kind === 'hello') {
      if (came.hello.version !== TLS_VERSIONS[version]) return { answer: 'refused', chosen: null };
      this.seen.push({ version, ...came });
      return { answer: 'offered', chosen: came };
    }
    const answer = answerWithout(came);
    if (answer === 'unknown') this.unanswered.push(`${what}: ${'why' in came ? came.why : 'no TLS'}`);
    return { answer, chosen: null };
  }
}

function answerWithout({ kind }: HelloAnswer): Answer {
  return kind === 'alert' || kind === 'closed' ? 'refused' : 'unknown';
}
