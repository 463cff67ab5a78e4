/**
 * Runs rows of the fault matrix, one after the other, each on an installation that is well:
 *
 *     load → the fault → all well again? → end of load → everything against the journal → alerts → next
 *
 * An installation is used again by the next row as long as it recovers; after a row that failed the next one gets a new one. At its end
 * the journal is read back from its file and judged once more, and the oracle shows that it would see a loss.
 */
import path from 'node:path';
import { runTool } from '../../soak/src/stored-alerts.js';
import { asLine, notRun, type RowOutcome } from './fault-matrix.js';
import { judgeRow, countProblems, type Counts } from './judge-row.js';
import { isAct, isSpec, type ActRow, type Done, type Need, type Row, type StageName } from './row.js';
import type { SpecRunner } from './spec-runner.js';
import { Stage, type OracleVerdict, WITHIN_MS } from './stage.js';

export interface EngineOptions {
  readonly random: () => number;
  readonly isLong: boolean;
  readonly say: (line: string) => void;
  /** Why this machine cannot do it; null when it can. */
  readonly lacks: (need: Need) => string | null;
  /** Null: controls and rows of specs are named and not run. */
  readonly specs: SpecRunner | null;
  /** No row is begun after so many milliseconds (performance.now()). */
  readonly until: number;
}

/** How a row went, before anything is counted. */
interface Performance {
  readonly done: Done | null;
  readonly recoveredMs: number | null;
  readonly problem: string | null;
}

/** Receipts before the fault, and after it. */
const RECEIPTS = 20;
/** Whether anything is lost is worth knowing, after a failure too, if it can be known soon. */
const AFTER_FAILURE_MS = 20_000;

export class Engine {
  readonly oracle: string[] = [];
  readonly problems: string[] = [];
  private stage: { name: StageName; running: Stage; sealed: number; alerts: number } | null = null;
  private stopping: Promise<void> | null = null;

  constructor(private readonly options: EngineOptions) {}

  /** In the order given, but for the installation that they need; outcomes are in the order given. */
  async run(rows: readonly Row[]): Promise<RowOutcome[]> {
    const outcomes = new Map<Row, RowOutcome>();
    const stageOf = (row: Row): string => (isAct(row) ? row.on : '');
    const isLast = (row: Row): boolean => isAct(row) && row.isLast === true;
    for (const name of ['small', 'plain', '']) {
      const these = rows.filter((row) => stageOf(row) === name);
      for (const row of [...these.filter((one) => !isLast(one)), ...these.filter(isLast)]) {
        if (this.isStopped) break;
        const began = performance.now();
        const outcome = { ...(await this.one(row)), seconds: (performance.now() - began) / 1_000 };
        outcomes.set(row, outcome);
        this.options.say(asLine(outcome));
      }
      await this.closeStage();
    }
    return rows.flatMap((row) => outcomes.get(row) ?? []);
  }

  /** Ends what runs, at once; resolves when it has ended. */
  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  get isStopped(): boolean {
    return this.stopping !== null;
  }

  private async end(): Promise<void> {
    const stage = this.stage;
    this.stage = null;
    await stage?.running.stop();
  }

  private async one(row: Row): Promise<RowOutcome> {
    const { specs, lacks } = this.options;
    if (isSpec(row)) return specs === null ? notRun(row, 'npm test runs its specs') : specs.rowOutcome(row);
    if (!isAct(row)) return notRun(row, row.notRun);
    if (performance.now() > this.options.until) return notRun(row, 'no time left');
    const missing = (row.needs ?? []).flatMap((need) => lacks(need) ?? []);
    if (missing.length > 0) return notRun(row, missing.join(', '));
    const outcome = await this.act(row);
    if (outcome.state === 'failed') await this.closeStage(AFTER_FAILURE_MS);
    return outcome;
  }

  private async act(row: ActRow): Promise<RowOutcome> {
    let stage: Stage;
    try {
      stage = await this.open(row.on);
    } catch (error) {
      return { ...notRun(row, ''), state: 'failed', problems: [`no installation: ${messageOf(error)}`] };
    }
    const before = { receipts: stage.receipts, sealed: this.stage!.sealed };
    const { done, recoveredMs, ...went } = await this.perform(row, stage);
    let { problem } = went;
    const counts = await this.count(stage, problem === null ? WITHIN_MS : AFTER_FAILURE_MS).catch((error: unknown) => {
      problem ??= messageOf(error);
      return null;
    });
    const raised = await this.newlyRaised(stage);
    if (problem === null) problem = await this.acknowledge(stage).then(() => null, messageOf);
    const stops = [...(done?.stops ?? []), ...stage.takeKilled()];
    const alertProblems = stage.alerts.problems.splice(0);
    const observed = { counts: counts ?? NOTHING, raised, ended: stage.takeEnded(), stops, problem, alertProblems };
    const judged = judgeRow(row, observed);
    const control = this.controlOf(row, done);
    const problems = [...judged.problems, ...control.problems];
    if (counts !== null && this.stage) this.stage.sealed = counts.sealed;
    return {
      ...notRun(row, done?.seen ?? ''),
      state: problems.length === 0 ? 'passed' : 'failed',
      accepted: stage.receipts - before.receipts,
      sealed: counts === null ? null : counts.sealed - before.sealed,
      lost: counts?.lost ?? null,
      unmarked: counts?.unmarked ?? null,
      expectedAlerts: judged.expectedAlerts,
      unexpectedAlerts: judged.unexpectedAlerts,
      recoveredMs,
      control: control.text,
      problems,
    };
  }

  /** The load, the fault, and all well again. */
  private async perform(row: ActRow, stage: Stage): Promise<Performance> {
    let done: Done | null = null;
    try {
      this.options.say(`${row.row.padEnd(4)} …       ${row.fault}`);
      stage.startLoad();
      await stage.moreReceipts(RECEIPTS);
      done = await row.act(stage);
      const mended = stage.takeMended();
      stage.startLoad(); // where the act has ended it
      const { size } = await stage.database.head();
      await stage.untilWell(stage.receipts + RECEIPTS, size, [...(row.alerts ?? []), ...(row.mayRaise ?? [])]);
      return { done, recoveredMs: performance.now() - mended, problem: null };
    } catch (error) {
      return { done, recoveredMs: null, problem: messageOf(error) };
    } finally {
      stage.healLinks();
    }
  }

  /** What the control has shown, and why it counts for nothing, if so. */
  private controlOf({ control }: ActRow, done: Done | null): { text: string; problems: string[] } {
    const { specs } = this.options;
    if (control === 'own') return { text: done?.control ?? 'not reached', problems: [] };
    if (specs === null) return { text: `in npm test: ${path.basename(control[0])}`, problems: [] };
    const { text, isGood } = specs.said(control);
    return { text, problems: isGood ? [] : [`control: ${text}`] };
  }

  private async count(stage: Stage, withinMs: number): Promise<Counts> {
    await stage.endLoad(withinMs);
    return countsOf(await stage.judge('memory', undefined, withinMs), stage);
  }

  private async newlyRaised(stage: Stage): Promise<Stage['alerts']['all']> {
    await stage.alerts.read();
    const from = this.stage?.alerts ?? 0;
    if (this.stage) this.stage.alerts = stage.alerts.all.length;
    return stage.alerts.all.slice(from).filter(({ state }) => state === 'raised');
  }

  /** Records that no look clears are looked into and acknowledged, so that the next row can raise its own. */
  private async acknowledge(stage: Stage): Promise<void> {
    const { dir } = stage.system.installation.layout;
    for (const { source, number } of stage.alerts.open.filter(({ stands }) => stands)) {
      const why = ['--by', 'fault suite', '--reason', 'a row of the fault suite'];
      const { code, err } = await runTool(dir, ['alerts', 'ack', source, String(number), ...why]);
      if (code !== 0) throw new Error(`alert ${number} of ${source} cannot be acknowledged: ${err.trim()}`);
    }
    await stage.untilWell(0, 0, []);
  }

  private async open(name: StageName): Promise<Stage> {
    if (this.stage?.name === name) return this.stage.running;
    await this.closeStage();
    const { random, isLong, say } = this.options;
    say(`starting an installation (${name})`);
    const running = await Stage.start({ name, random, isLong, say });
    this.stage = { name, running, sealed: 0, alerts: 0 };
    await running.untilWell(0, 0, []);
    return running;
  }

  private async closeStage(withinMs = WITHIN_MS): Promise<void> {
    const stage = this.stage;
    if (!stage) return;
    try {
      const receipts = stage.running.receipts;
      if (receipts > 0) this.oracle.push(await this.lastLook(stage.name, stage.running, withinMs));
    } catch (error) {
      this.problems.push(`installation ${stage.name}: ${messageOf(error)}`);
    }
    this.stage = null;
    await stage.running.stop();
  }

  /** The journal as it stands in its file, and the controls of the oracle: a receipt for what was never sealed, an event that nobody sent. */
  private async lastLook(name: StageName, stage: Stage, withinMs: number): Promise<string> {
    await stage.endLoad(withinMs);
    const counts = countsOf(await stage.judge('file', undefined, withinMs), stage);
    for (const problem of countProblems(counts)) this.problems.push(`journal of installation ${name}: ${problem}`);
    const withLoss = await stage.judge('memory', (entries) => {
      const never = Buffer.from('{"specversion":"1.0","id":"never sent"}');
      entries.push({ id: 'never sent', source: '', bytes: never, frame: { ingester: 'a', number: 1 } });
    });
    const withStranger = await stage.judge('memory', (entries) => void entries.pop());
    const sees = withLoss.lost.length - counts.lost === 1 && withStranger.unknown.length > 0;
    if (!sees) this.problems.push(`installation ${name}: the oracle does not see what is lost or strange`);
    const what = sees ? 'sees an event that is lost and one that nobody sent' : 'is BLIND';
    return `journal file of installation ${name}: ${counts.accepted} accepted, ${counts.lost} lost; control: the oracle ${what}`;
  }
}

const NOTHING: Counts = { sent: 0, accepted: 0, sealed: 0, copies: 0, lost: 0, unmarked: 0, strange: 0, findings: [] };

function countsOf(verdict: OracleVerdict, stage: Stage): Counts {
  const { report, receipted, sealed, copies, lost, unmarked, unknown, misindexed } = verdict;
  return {
    sent: stage.orders.journal.length + stage.billing.journal.length,
    accepted: receipted,
    sealed,
    copies,
    lost: lost.length,
    unmarked: unmarked.length,
    strange: unknown.length + misindexed.length,
    findings: report.findings.map((finding) => JSON.stringify(finding)),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
