/**
 * Every certificate of a running installation renewed under load, as often as asked: nothing may be lost, and nothing refused.
 *
 * A renewal is over when every server shows its new certificate and every service has connected to NATS anew; half of the renewals
 * bring new keys as well. At the end the log is read as an outsider would, and compared with what the producers wrote down.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { X509Certificate } from 'node:crypto';
import { servicesOf, waitUntil, type ServiceInstance } from '@everseal/local';
import { identitiesOf } from '@everseal/policy';
import { type InstalledSystem, JournalProducer, LogOracle } from '@everseal/testing';
import { servedCertificate } from '@everseal/tls';

export interface DrillOutcome {
  renewals: number;
  /** Certificates in each. */
  certificates: number;
  receipted: number;
  sealed: number;
  /** Requests that were sent, repetitions included. */
  attempts: number;
  /** What must not be: empty when all is well. */
  findings: string[];
}

/** Servers that are no services. */
const ENGINES = 2;
const PRODUCERS = ['billing', 'orders'] as const;
/** Events in a request, requests in flight, pause after a receipt. */
const LOAD = [2, 3, 20] as const;
/** Receipts between two renewals, so that each happens under load. */
const RECEIPTS_BETWEEN = 30;
const WITHIN_MS = 120_000;
const RECONNECTED = 'connected to NATS again';

export class CertificateDrill {
  private readonly producers: JournalProducer[] = [];
  private load: Promise<unknown> = Promise.resolve();
  private ending = false;
  private renewals = 0;
  private certificates = 0;

  private constructor(private readonly system: InstalledSystem) {}

  /** Begins to send. */
  static async start(system: InstalledSystem): Promise<CertificateDrill> {
    const drill = new CertificateDrill(system);
    const { ledger, origin, keys } = system;
    for (const producer of PRODUCERS) {
      const source = `https://${producer}.example.com/drill`;
      const login = system.installation.logins.nats('producer', producer);
      const options = { login, ledger, producer, origin, ingestKeys: keys.ingest, source };
      drill.producers.push(await JournalProducer.open(options));
    }
    const [events, inFlight, pauseMs] = LOAD;
    const isOver = (): boolean => drill.ending;
    drill.load = Promise.all(drill.producers.map((one) => one.load(events, inFlight, isOver, pauseMs)));
    drill.load.catch(() => {}); // told by judge
    await drill.receive();
    return drill;
  }

  /** Events with a receipt so far. */
  get receipts(): number {
    return this.producers.reduce((sum, { receipts }) => sum + receipts, 0);
  }

  /** Renews everything, and resolves when all of it is in use and receipts come. @param newKeys default: every second time */
  async renew(newKeys = this.renewals % 2 === 1): Promise<void> {
    const { installation } = this.system;
    const services = servicesOf(installation.policy);
    const connections = services.map((service) => this.reconnects(service));
    await installation.renewCertificates({ leastLeft: 1, newKeys });
    await Promise.all(this.producers.map((producer) => producer.reconnect()));
    for (const [i, service] of services.entries()) {
      await this.untilServed(service);
      if (!this.isAtBroker(service)) continue;
      const what = `${service.id} connected to NATS with its renewed certificate`;
      await waitUntil(() => this.reconnects(service) > connections[i]!, { what, timeoutMs: WITHIN_MS });
    }
    this.renewals++;
    this.certificates = ENGINES + services.length + identitiesOf(installation.policy).length;
    await this.receive();
  }

  /** Ends the load and judges everything. */
  async judge(): Promise<DrillOutcome> {
    this.ending = true;
    await this.load;
    const oracle = await LogOracle.open(
      await this.system.installation.logins.postgres('ops', 'ops'),
      this.system.trust,
    );
    try {
      await oracle.caughtUp(
        this.producers.flatMap(({ journal }) => journal),
        WITHIN_MS,
      );
      const journals = Object.fromEntries(this.producers.map(({ journal }, i) => [PRODUCERS[i]!, journal]));
      const { report, lost, unmarked, unknown, misindexed, sealed, receipted } = await oracle.judge(journals);
      const sent = this.producers.reduce((sum, { journal }) => sum + journal.length, 0);
      const findings = [
        ...report.findings.map((finding) => JSON.stringify(finding)),
        ...Object.entries({ lost, unmarked, unknown, misindexed }).flatMap(([what, which]) =>
          which.length > 0 ? [`${which.length} events ${what}, the first: ${which[0]}`] : [],
        ),
        ...(receipted < sent ? [`${sent - receipted} events have no receipt`] : []),
      ];
      const attempts = this.producers.reduce((sum, producer) => sum + producer.attempts, 0);
      return { renewals: this.renewals, certificates: this.certificates, receipted, sealed, attempts, findings };
    } finally {
      await oracle.close();
    }
  }

  async stop(): Promise<void> {
    this.ending = true;
    await Promise.all(this.producers.map((producer) => producer.close()));
  }

  /** Until more receipts have come. A refusal ends the load, and is thrown here. */
  private async receive(): Promise<void> {
    const wanted = this.receipts + RECEIPTS_BETWEEN;
    const come = waitUntil(() => this.receipts >= wanted, { what: `${wanted} receipts`, timeoutMs: WITHIN_MS });
    await Promise.race([come, this.load.then(() => come)]);
  }

  private async untilServed({ id }: ServiceInstance): Promise<void> {
    const { layout, ports } = this.system.installation;
    const { serialNumber } = new X509Certificate(readFileSync(path.join(layout.pki, 'server', id, 'cert.pem')));
    const { certificate, open } = ports.api[id] ?? {};
    for (const port of [ports.operations[id], certificate, open]) {
      if (port === undefined) continue;
      const isNew = async (): Promise<boolean> =>
        (await servedCertificate({ host: 'localhost', port })).serial === serialNumber;
      await waitUntil(isNew, { what: `the renewed certificate of ${id} at port ${port}`, timeoutMs: WITHIN_MS });
    }
  }

  /** A reader without a system ledger has nothing to do at the broker. */
  private isAtBroker({ service }: ServiceInstance): boolean {
    return service !== 'reader' || this.system.installation.policy.systemLedger !== undefined;
  }

  /** How often the service has said that it is connected to NATS again. */
  private reconnects({ service, name }: ServiceInstance): number {
    const log = readFileSync(this.system.installation.service(service, name).logFile, 'utf8');
    return log.split(RECONNECTED).length - 1;
  }
}
