/**
 * `everseal verify`: reads the whole ledger out of the database with the reader's rights and derives everything again,
 * trusting the genesis note and nothing else. The checking is libs/audit-core's verifyLog, the same that any auditor runs.
 *
 * The log grows meanwhile, so what must be there is asked first: checkpoints, the head row, the newest announcement. The
 * bodies, read afterwards, have to reach as far. The announcement comes from the broker, that is from outside the
 * database: with it a database that was cut off together with its own checkpoints is seen too.
 */
import {
  appendSignatures,
  encodeBase64,
  FormatError,
  parseNote,
  VERDICTS,
  verifyLog,
  type Finding,
  type LogReport,
} from '@everseal/audit-core';
import {
  checkpointsAfter,
  cosignaturesAt,
  findLedger,
  isUnreadable,
  readBodies,
  readHead,
  type StoredBlock,
} from '@everseal/ledger-store';
import type { Pool } from 'pg';
import { noLedger } from './cli-failure.js';
import { explain } from './explain-error.js';
import { connectAsOps, openDatabase } from './connections.js';
import type { Context } from './context.js';
import { EXIT, type ExitCode } from './exit-code.js';
import { newestAnnouncement, readTrust, type LedgerTrust } from './ledger-trust.js';
import { Progress } from './progress.js';
import { count, counted, printable, type Terminal } from './terminal.js';

export interface VerifyOptions {
  ledger: string;
  json?: boolean | undefined;
}

const CHECKPOINTS_A_READ = 5_000;
const BLOCKS_A_READ = 64;

/** What has to be there, by what was read before the bodies. */
interface Expected {
  /** All that are stored, the newest with its cosignatures, and the announced one. */
  checkpoints: string[];
  /** How many of them are stored. */
  stored: number;
  /** Size of the newest stored one; 0 without. */
  newest: number;
  size: number;
  height: number;
  /** Why the newest announcement is not among the checkpoints; '' when it is. */
  without: string;
}

export async function verify(context: Context, options: VerifyOptions): Promise<ExitCode> {
  const { terminal } = context;
  const settings = context.settings();
  const trust = readTrust(settings, options.ledger);
  const announced = await announcedCheckpoint(context, trust);
  const pool = await openDatabase(settings);
  try {
    const ledgerId = await findLedger(pool, trust.origin);
    if (ledgerId === null) throw noLedger(trust.origin);
    const expected = await readExpected(pool, ledgerId, announced);
    const progress = new Progress(terminal.progressOutput, 'verifying entries', expected.size);
    const reading = new StoredBodies(pool, ledgerId, progress);
    const checking = verifyLog({ trust, bodies: reading, checkpoints: expected.checkpoints });
    const report = await checking.finally(() => progress.end());
    const findings = [...report.findings, ...missingBlocks(report, reading, expected)];
    if (options.json) terminal.json(jsonOf(report, findings, expected));
    else tell(terminal, report, findings, expected);
    return findings.length === 0 ? EXIT.ok : EXIT.findings;
  } finally {
    await pool.end();
  }
}

/** The newest cosigned checkpoint as the broker holds it, or why there is none. */
async function announcedCheckpoint(
  context: Context,
  trust: LedgerTrust,
): Promise<{ note: string | null; why: string }> {
  const settings = context.settings();
  if (settings.ops === undefined) return { note: null, why: 'the settings have no section ops' };
  try {
    const link = await connectAsOps(settings);
    try {
      const newest = await newestAnnouncement(link, trust);
      return newest ? { note: newest.note, why: '' } : { note: null, why: 'nothing was announced yet' };
    } finally {
      await link.close();
    }
  } catch (error) {
    return { note: null, why: explain(error).message };
  }
}

async function readExpected(
  pool: Pool,
  ledgerId: number,
  announced: { note: string | null; why: string },
): Promise<Expected> {
  const { size, height } = await readHead(pool, ledgerId);
  const checkpoints: string[] = [];
  let newest = 0;
  for (;;) {
    const rows = await checkpointsAfter(pool, ledgerId, newest, CHECKPOINTS_A_READ);
    checkpoints.push(...rows.map(({ note }) => note));
    newest = rows.at(-1)?.size ?? newest;
    if (rows.length < CHECKPOINTS_A_READ) break;
  }
  const last = checkpoints.pop();
  if (last !== undefined)
    checkpoints.push(
      cosigned(
        last,
        (await cosignaturesAt(pool, ledgerId, newest)).map(({ line }) => line),
      ),
    );
  const stored = checkpoints.length;
  if (announced.note !== null) checkpoints.push(announced.note);
  return { checkpoints, stored, newest, size, height, without: announced.why };
}

/** The note with its cosignatures; one that cannot be read is left to verifyLog as it is. */
function cosigned(note: string, lines: readonly string[]): string {
  try {
    parseNote(note);
    return appendSignatures(note, [...lines]);
  } catch (error) {
    if (error instanceof FormatError) return note;
    throw error;
  }
}

/** The stored bodies in order, up to the first block that is not there. */
class StoredBodies implements AsyncIterable<Buffer> {
  /** Height of the next block that was looked for; where `missing` is not '', the one that is missing. */
  height = 0;
  missing = '';

  constructor(
    private readonly pool: Pool,
    private readonly ledgerId: number,
    private readonly progress: Progress,
  ) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (let read = BLOCKS_A_READ; read === BLOCKS_A_READ;) {
      read = 0;
      for await (const block of this.read()) {
        read += 1;
        if (block.height !== this.height) this.missing = `block ${this.height} is gone, block ${block.height} stands`;
        else if (!block.body) this.missing = `block ${this.height} stands without its body`;
        if (this.missing !== '' || !block.body) return;
        this.progress.add(block.next - block.first);
        yield block.body;
        this.height += 1;
      }
    }
  }

  private async *read(): AsyncGenerator<StoredBlock> {
    try {
      yield* readBodies(this.pool, this.ledgerId, this.height, BLOCKS_A_READ);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.missing = `block ${this.height} cannot be read: ${error.message}`;
    }
  }
}

/** What verifyLog cannot see: it is given bodies and does not know how many there should be. */
function missingBlocks(report: LogReport, { missing, height }: StoredBodies, expected: Expected): Finding[] {
  const at = { index: report.size, height };
  if (missing !== '') return [{ ...at, code: 'block.missing', detail: missing }];
  if (report.findings.length > 0 || report.size >= expected.size) return [];
  const detail = `the head names block ${expected.height} and ${count(expected.size)} entries, the newest block that stands is ${height - 1}`;
  return [{ ...at, code: 'log.truncated', detail }];
}

function jsonOf(report: LogReport, findings: readonly Finding[], { stored, without }: Expected): object {
  const { root, ...rest } = report;
  const told = findings.map((finding) => ({ ...finding, ...VERDICTS[finding.code] }));
  return {
    good: findings.length === 0,
    ...rest,
    root: encodeBase64(root),
    checkpointsCompared: stored,
    announcementCompared: without === '',
    ...(without === '' ? {} : { why: without }),
    findings: told,
  };
}

function tell(terminal: Terminal, report: LogReport, findings: readonly Finding[], expected: Expected): void {
  const { green, red, yellow } = terminal.colors;
  const { origin, size, blocks, frames, events, checkpoint } = report;
  const read = `${counted(size, 'entry', 'entries')} in ${counted(blocks, 'block')}: ${counted(events, 'event')} in ${counted(frames, 'frame')}`;
  terminal.line(`${origin}: ${read}; ${counted(expected.stored, 'stored checkpoint')} compared`);
  if (checkpoint) {
    const cosigners = checkpoint.cosigners.map((name) => name.split('/').at(-1)).join(', ');
    // Those of older ones are not read.
    const by = cosigners || (checkpoint.size < expected.newest ? '' : 'nobody');
    const said = by === '' ? '' : `, cosigned by ${by}`;
    terminal.line(`newest checkpoint that fits: ${counted(checkpoint.size, 'entry', 'entries')}${said}`);
  }
  if (expected.without !== '') {
    terminal.line(yellow(`not compared with the newest announcement: ${printable(expected.without)}`));
  }
  for (const { code, detail, index, height } of findings) {
    terminal.line(red(`${code}: ${VERDICTS[code].meaning}`));
    terminal.line(printable(`  found       ${detail}`));
    const from = index === null ? '' : `at or after entry ${count(index)}`;
    const where = [height === null ? '' : `block ${count(height)}`, from].filter((part) => part !== '').join(', ');
    if (where !== '') terminal.line(`  first bad   ${where}`);
    terminal.line(`  what to do  docs/operations/runbook.md#${code.replaceAll('.', '')}`);
  }
  if (findings.length === 0) {
    const what = 'every hash, root, signature and chain was derived again from the stored bytes and agrees';
    terminal.line(green(`good: ${what}; trust started from the genesis note of this machine`));
  } else {
    terminal.line(red(`${counted(findings.length, 'finding')}; everything before the first is good`));
  }
}
