/** Row 45, done: strikes of the plan at the running installation, several at once, then quiet. */
import { setTimeout as sleep } from 'node:timers/promises';
import { planNemesis, type Linked, type PlannedStrike, type Target } from './nemesis-plan.js';
import type { ActRow } from './row.js';
import type { Stage } from './stage.js';

type Service = Linked['of'];

export function nemesisRow(seed: number, minutes: number): ActRow {
  return {
    row: '45',
    fault: `random faults for ${minutes} minutes, several at once`,
    expected: 'the ledger is clean',
    on: 'plain',
    isQuick: true,
    // Two or three faults at once may keep a frame from being sealed for longer than the 20 s that the installation has set.
    mayRaise: ['custody.overdue', 'custody.gap'],
    control: 'own',
    act: async (stage) => {
      const nemesis = new Nemesis(stage);
      const strikes = await nemesis.run(seed, minutes);
      return {
        seen: `${strikes} faults, seed ${seed}`,
        stops: ['ingest-a', 'verifier-v1', ...stage.sealers],
        control: 'the oracle sees what is lost: see the end',
      };
    },
  };
}

class Nemesis {
  private readonly running = new Set<Promise<void>>();
  /** An engine that is being started again is left alone. */
  private readonly busy = new Set<string>();
  private failure: unknown = null;

  constructor(private readonly stage: Stage) {}

  /** @returns how many faults */
  async run(seed: number, minutes: number): Promise<number> {
    const ends = performance.now() + minutes * 60_000;
    let strikes = 0;
    try {
      for (const planned of planNemesis(seed)) {
        if (performance.now() + planned.afterMs > ends) break;
        await sleep(planned.afterMs);
        strikes++;
        const striking = this.strike(planned)
          .catch((error: unknown) => void (this.failure ??= error))
          .finally(() => this.running.delete(striking));
        this.running.add(striking);
      }
    } finally {
      await Promise.all(this.running);
    }
    if (this.failure !== null) throw this.failure;
    this.stage.healLinks();
    this.stage.nowMended();
    return strikes;
  }

  private async strike({ strike, choice }: PlannedStrike): Promise<void> {
    const { what, target } = strike;
    if (typeof target === 'string') {
      const id = await this.idOf(target, choice);
      if (id === null) return;
      this.stage.say(`     ${what} ${id}${'ms' in strike ? ` for ${strike.ms} ms` : ''}`);
      if (what === 'SIGSTOP') await this.pause(id, strike.ms);
      else await this.end(id, what === 'kill -9' ? 'SIGKILL' : 'SIGTERM');
      return;
    }
    const id = await this.idOf(target.of, choice);
    if (id === null) return;
    const link = this.stage.link(id, target.to);
    this.stage.say(`     ${what} ${id} to ${target.to}${'ms' in strike ? ` for ${strike.ms} ms` : ''}`);
    if (what === 'cut') link.cut();
    else if (what === 'freeze') link.freeze();
    else if ('ms' in strike) {
      if (what === 'delay') link.delayMs = 200;
      else link.shut(choice < 0.5 ? 'toServer' : 'toClient');
      await sleep(strike.ms);
      if (what === 'silence') link.cut();
      link.heal();
    }
  }

  private async idOf(target: Target | Service, choice: number): Promise<string | null> {
    if (target === 'ingest') return 'ingest-a';
    if (target === 'verifier') return 'verifier-v1';
    if (target === 'nats-server' || target === 'Postgres') return target;
    if (target === 'any sealer') return this.stage.sealers[Math.floor(choice * this.stage.sealers.length)]!;
    const { holder } = await this.stage.database.head();
    return holder === '' ? null : `sealer-${holder}`; // Postgres is away, or nobody holds the lease
  }

  private async end(id: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (id !== 'nats-server' && id !== 'Postgres') {
      this.stage.service(id).kill(signal);
      this.stage.service(id).kill('SIGCONT');
      return;
    }
    if (this.busy.has(id)) return;
    this.busy.add(id);
    try {
      if (id === 'nats-server') await this.stage.restart('nats', signal);
      else await this.stage.restart('postgres', signal);
    } finally {
      this.busy.delete(id);
    }
  }

  private async pause(id: string, ms: number): Promise<void> {
    const isEngine = id === 'nats-server' || id === 'Postgres';
    if (isEngine && this.busy.has(id)) return;
    const running = isEngine ? this.stage.engine(id === 'nats-server' ? 'nats' : 'postgres') : this.stage.service(id);
    if (isEngine) this.busy.add(id);
    running.kill('SIGSTOP');
    await sleep(ms);
    running.kill('SIGCONT');
    if (isEngine) this.busy.delete(id);
  }
}
