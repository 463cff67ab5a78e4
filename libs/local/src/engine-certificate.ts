/**
 * The certificate of an engine (nats-server, Postgres) while it runs: whoever renews the files, the engine is told by SIGHUP, and asked
 * afterwards which certificate it serves. An engine that cannot use what it was given goes on with the old one and says so in its log
 * alone; so it is told again until it serves the new one, and after a while somebody is told.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MaterialWatch, servedCertificate, type MaterialFiles } from '@everseal/tls';
import { LocalError } from './local-error.js';

export interface EngineCertificatePlan {
  /** For messages. */
  name: string;
  files: MaterialFiles;
  port: number;
  /** ALPN protocol that the engine insists on. */
  protocol?: string;
  /** Has the engine read its certificate again. */
  reload: () => void;
  say: (line: string) => void;
  /** Until it is given up, milliseconds; default 30,000. */
  withinMs?: number;
}

const HAND_OVER_MS = 30_000;
const LOOKS_A_RELOAD = 20;
const LOOK_EVERY_MS = 50;

export class EngineCertificate {
  private stopped = false;

  private constructor(
    private readonly plan: EngineCertificatePlan,
    private readonly watch: MaterialWatch,
  ) {}

  /** From now on a renewed certificate is handed over within seconds. @throws TlsError */
  static async watch(plan: EngineCertificatePlan): Promise<EngineCertificate> {
    const material = await MaterialWatch.open(plan.files, 'server', Date.now);
    const certificate = new EngineCertificate(plan, material);
    material.listen({
      onRenewed: () => certificate.handOver(),
      onProblem: (error) => plan.say(`certificate of ${plan.name}: ${error.message}`),
    });
    material.start();
    return certificate;
  }

  stop(): void {
    this.stopped = true;
    this.watch.stop();
  }

  /** Takes what the files hold now, if it is new, and resolves when the engine serves it. */
  async take(): Promise<void> {
    await this.watch.check();
    await this.handOver();
  }

  /** @throws LocalError not-renewed */
  private async handOver(): Promise<void> {
    const { name, reload, withinMs = HAND_OVER_MS } = this.plan;
    const deadline = performance.now() + withinMs;
    let problem = '';
    do {
      try {
        reload();
        if (await this.serves()) return;
      } catch (error) {
        problem = error instanceof Error ? `: ${error.message}` : '';
        await sleep(LOOK_EVERY_MS);
      }
    } while (!this.stopped && performance.now() < deadline);
    if (this.stopped) return;
    throw new LocalError(
      'not-renewed',
      `${name} does not serve its renewed certificate${problem}; see its log, the old one is still in use`,
    );
  }

  /** Whether the engine serves the newest certificate, a second after it was told at the latest. */
  private async serves(): Promise<boolean> {
    const { port, protocol } = this.plan;
    for (let looks = 0; looks < LOOKS_A_RELOAD; looks++) {
      const { serial } = await servedCertificate({ host: 'localhost', port, protocol });
      if (serial === this.watch.current.facts.serial) return true;
      await sleep(LOOK_EVERY_MS);
    }
    return false;
  }
}
