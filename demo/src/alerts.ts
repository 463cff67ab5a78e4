/** The alert subjects as ops sees them: live, each alert's signature checked against the published alert keys. */

import { readFileSync } from 'node:fs';
import { openAlert, parseVkey, type VerifierKey } from '@everseal/audit-core';
import { connect, type ConnectionOptions, type NatsConnection } from '@nats-io/transport-node';

export interface SeenAlert {
  readonly code: string;
  readonly state: 'raised' | 'cleared';
  readonly number: number;
  readonly clears?: number;
  readonly detail?: string;
  readonly first?: { index: number | null; height: number | null; eventId: string | null };
  readonly lastGoodBlock?: number | null;
}

export class AlertEar {
  private readonly seen: SeenAlert[] = [];

  private constructor(
    private readonly nc: NatsConnection,
    keys: readonly VerifierKey[],
  ) {
    nc.subscribe('audit.alerts.*.*.*', {
      callback: (_error, message) => {
        const { json } = openAlert(message.data, keys); // throws for a forged one
        this.seen.push(JSON.parse(json.toString()) as SeenAlert);
      },
    });
  }

  /** @param keysFile one vkey a line */
  static async open(login: ConnectionOptions, keysFile: string): Promise<AlertEar> {
    const keys = readFileSync(keysFile, 'utf8').split('\n').filter(Boolean).map(parseVkey);
    return new AlertEar(await connect(login), keys);
  }

  /** The first alert that fits, also one that came before the call. */
  async wait(fits: (alert: SeenAlert) => boolean, withinMs: number): Promise<SeenAlert> {
    for (const deadline = Date.now() + withinMs; ;) {
      const found = this.seen.find(fits);
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`the alert did not come within ${withinMs / 1_000} s`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  get count(): number {
    return this.seen.length;
  }

  close(): Promise<void> {
    return this.nc.close();
  }
}
