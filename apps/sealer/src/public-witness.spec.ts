/**
 * Our witness client against C2SP witnesses that we did not write, as they stand here (libs/testing, public-witness.ts): what each answers
 * when it is behind, ahead, restarted, set back, or knows another history, and that we make of it what is meant. Skipped without one.
 */
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { alertKeyName, parseVkey } from '@everseal/audit-core';
import { AlertBook } from '@everseal/process';
import { PublicWitness, publicWitnesses, temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { ForeignLog } from '../../../libs/audit-core/src/foreign-log.fixture.js';
import { DOMAIN, testKey } from '../../../libs/audit-core/src/log.fixture.js';
import { Authority, CertificateFolder } from '../../../libs/tls/src/certificates.fixture.js';
import { AskWitness } from './ask-witness.js';
import { WitnessConnection } from './witness-connection.js';

const START_MS = 120_000;
const TEST_MS = 120_000;
const EVERY_MS = 10_000;
const log = ForeignLog.of('audit.example.com/main', 40);
const fork = log.forked(3);
const programs = publicWitnesses();
if (programs.length === 0)
  process.stderr.write('public-witness.spec: skipped, LITEWITNESS_BIN and OMNIWITNESS_BIN name none\n');

let certificates: CertificateFolder;
let folder: TemporaryFolder;
let witness: PublicWitness;
let clients = 0;
const connections: WitnessConnection[] = [];

/** Asks on behalf of a log, as a sealer that has just started. */
class Asking {
  readonly stored: number[] = [];
  readonly problems: string[] = [];
  readonly alerts: AlertBook;
  private steady = 0;
  private readonly asking: AskWitness;

  constructor(private readonly of = log) {
    const alertKey = testKey(alertKeyName(DOMAIN, 'sealer', 's1'));
    const file = path.join(folder.path, `alerts-${clients++}.json`);
    this.alerts = new AlertBook(file, `${DOMAIN}/sealer/s1`, alertKey, Date.now, () => Promise.resolve(true));
    const trust = { caFile: path.join(certificates.path, 'roots.crt'), identity: () => null, tls12: false };
    const connection = new WitnessConnection(witness.url, trust, 20_000);
    connections.push(connection);
    this.asking = new AskWitness({
      origin: log.origin,
      place: { name: 'public', url: witness.url, keys: [parseVkey(witness.vkey)] },
      send: (body) => connection.addCheckpoint(body),
      store: async (size) => void this.stored.push(size),
      alerts: this.alerts,
      log: { info: () => {}, warn: (facts: object) => void this.problems.push(JSON.stringify(facts)), error: () => {} },
      now: Date.now,
      steady: () => this.steady,
      everyMs: EVERY_MS,
      overdueMs: 60_000,
    });
  }

  /** A round about the checkpoint of this size. @returns what was asked and answered, as `<old>:<status>` */
  async ask(size: number): Promise<string[]> {
    const from = witness.seen.length;
    this.steady += EVERY_MS;
    const prove = (old: number): Promise<ReturnType<ForeignLog['proof']>> => Promise.resolve(this.of.proof(old, size));
    await this.asking.round({ size, note: this.of.checkpoint(size), prove }, 40);
    return witness.seen.slice(from).map(({ old, status }) => `${old}:${status}`);
  }

  get open(): string[] {
    return this.alerts.open.map(({ code }) => code);
  }
}

const describeEach = programs.length === 0 ? describe.skip.each(['a public witness']) : describe.each(programs);

describeEach('%s', (program) => {
  beforeAll(async () => {
    const authority = await Authority.create('servers');
    certificates = await CertificateFolder.create();
    await certificates.put('roots.crt', authority.pem);
    folder = temporaryFolder('witness');
    const known = { origin: log.origin, vkey: log.verifier.vkey };
    const tls = await authority.issueServer();
    witness = await PublicWitness.start(program as (typeof programs)[number], folder.path, known, tls);
  }, START_MS);

  afterEach(() => connections.splice(0).forEach((connection) => connection.close()));

  afterAll(async () => {
    await witness?.stop();
    await certificates?.remove();
    folder?.remove();
  }, START_MS);

  it(
    'cosigns one checkpoint after the other, and is taken up where it stands after a restart of ours',
    async () => {
      const asking = new Asking();
      expect(await asking.ask(5)).toEqual(['0:200']);
      expect(await asking.ask(8)).toEqual(['5:200']);
      expect(asking.stored).toEqual([5, 8]); // verified with its key before
      expect(await new Asking().ask(8)).toEqual(['0:409', '8:200']);
      expect(await new Asking().ask(12)).toEqual(['0:409', '8:200']);
    },
    TEST_MS,
  );

  it(
    'remembers through a restart of its own; set back, it is taken up from where it then stands',
    async () => {
      const asking = new Asking();
      await asking.ask(13);
      await witness.pause();
      expect(await asking.ask(14)).toEqual([]);
      witness.keep();
      await witness.resume();
      expect(await asking.ask(15)).toEqual(['13:200']);
      await witness.pause();
      witness.setBack();
      await witness.resume();
      expect(await asking.ask(16)).toEqual(['15:409', '13:200']);
      expect(asking.stored).toEqual([13, 15, 16]);
    },
    TEST_MS,
  );

  it(
    'that is ahead is left alone until we are further',
    async () => {
      const [asking, other] = [new Asking(), new Asking()];
      await asking.ask(17);
      await other.ask(20);
      expect(await asking.ask(18)).toEqual(['17:409']);
      expect(asking.problems.at(-1)).toContain('it cosigned a later checkpoint, of size 20');
      expect(await asking.ask(21)).toEqual(['20:200']);
      expect(asking.stored).toEqual([17, 21]);
      expect(asking.open).toEqual([]);
    },
    TEST_MS,
  );

  it(
    'that was shown another history says so, for a larger tree and for one of the same size',
    async () => {
      const latest = (await new Asking().ask(22)).at(-1);
      expect(latest).toBe('21:200');
      for (const size of [25, 22]) {
        const asking = new Asking(fork);
        expect(await asking.ask(size)).toEqual(['0:409', '22:422']);
        expect(asking.open).toEqual(['witness.dissent']);
        expect(asking.stored).toEqual([]);
      }
      // Control: the history that it knows goes on.
      expect(await new Asking().ask(26)).toEqual(['0:409', '22:200']);
    },
    TEST_MS,
  );

  it(
    'does not cosign what another key signed, nor a log that it was not told of',
    async () => {
      // The specification asks for 403 and 404; omniwitness answers 500 to both.
      const statuses = program === 'omniwitness' ? ['0:500', '0:500'] : ['0:403', '0:404'];
      const asking = new Asking(log.resigned());
      const stranger = new Asking(ForeignLog.of('audit.example.com/other', 40));
      expect([...(await asking.ask(30)), ...(await stranger.ask(30))]).toEqual(statuses);
      for (const one of [asking, stranger]) expect([one.stored, one.open]).toEqual([[], []]);
    },
    TEST_MS,
  );
});
