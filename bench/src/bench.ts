/** What every part of a bench run works with: the installation it measures, for how long, and where figures go. */
import type { LocalInstallation, Ports } from '@everseal/local';
import type { Service } from '@everseal/policy';
import type { Figure } from './figures.js';
import type { MetricsLogin } from './metrics.js';

/** The services that an event passes, by kind and name. */
export const EVENT_PATH = [
  ['ingest', 'a'],
  ['sealer', 's1'],
  ['verifier', 'v1'],
] as const;

export class Bench {
  readonly figures: Figure[] = [];

  constructor(
    readonly installation: LocalInstallation,
    readonly ports: Ports,
    /** Folder of the installation. */
    readonly dir: string,
    readonly ledger: string,
    /** Runs of a throughput figure, of which the median counts. */
    readonly runs: number,
    /** Of a run. */
    readonly seconds: number,
    readonly say: (line: string) => void,
    private readonly onFigure: (figure: Figure) => void,
  ) {}

  get origin(): string {
    return `${this.installation.policy.domain}/${this.ledger}`;
  }

  /** @param floor what the project promises; null for a baseline */
  add(figure: string, value: number, unit: string, floor: number | null, better: 'more' | 'less' = 'more'): void {
    const added = { figure, value, unit, floor, better };
    this.figures.push(added);
    this.onFigure(added);
  }

  /** To read the metrics of a service as ops does. */
  operations(service: Service, name: string): MetricsLogin {
    return this.login(this.ports.operations[`${service}-${name}`]!, 'ops', 'ops');
  }

  /** To ask what listens on a port as the holder of a certificate. */
  login(port: number, service: Service, name: string): MetricsLogin {
    const { certFile, keyFile, caFile } = this.installation.logins.certificate(service, name);
    return { port, certFile, keyFile, caFile };
  }
}
