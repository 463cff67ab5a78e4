/**
 * Starts services again that ended by themselves, as systemd or a container engine would, and keeps a list of them: which of these were
 * to be expected is the disturbance's business.
 */
import { servicesOf, type LocalInstallation, type ServiceInstance } from '@everseal/local';

const LOOK_EVERY_MS = 250;

export interface Ended {
  readonly id: string;
  readonly lastWords: string;
}

export class Supervisor {
  /** Since the list was taken last. */
  private ended: Ended[] = [];
  private readonly busy = new Set<string>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly installation: LocalInstallation) {
    this.timer = setInterval(() => this.look(), LOOK_EVERY_MS);
  }

  /** While `work` runs, what becomes of this service is its business. */
  async leaving(id: string, work: () => Promise<void>): Promise<void> {
    this.busy.add(id);
    try {
      await work();
    } finally {
      this.busy.delete(id);
    }
  }

  take(): Ended[] {
    return this.ended.splice(0);
  }

  get allRun(): boolean {
    const isRunning = ({ service, name }: ServiceInstance): boolean =>
      this.installation.service(service, name).isRunning;
    return this.busy.size === 0 && servicesOf(this.installation.policy).every(isRunning);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private look(): void {
    for (const instance of servicesOf(this.installation.policy)) {
      const running = this.installation.service(instance.service, instance.name);
      if (running.isRunning || this.busy.has(instance.id)) continue;
      this.ended.push({ id: instance.id, lastWords: running.lastWords() });
      void this.leaving(instance.id, () => this.startAgain(instance));
    }
  }

  /** It may stop again for the same reason; that is the same story. */
  private async startAgain({ service, name }: ServiceInstance): Promise<void> {
    await this.installation.startService(service, name).catch(() => undefined);
  }
}
