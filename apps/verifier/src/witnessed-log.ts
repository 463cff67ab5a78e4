/**
 * One log of others that this verifier is a witness of (C2SP tlog-witness), and what it has cosigned of it:
 *
 *     <stateDir>/witness/<hex SHA-256 of the origin>.note    the newest checkpoint, with our cosignatures
 *     <stateDir>/witness/origins.json                        every log that was ever cosigned
 *
 * It derives nothing of that log but that each checkpoint extends the one before. To judge a request and to store what comes of
 * it is one step without a pause, so no two requests meet; what was stored is synced before the cosignature leaves.
 *
 * A log that was cosigned and has no state any more, or a damaged one, is not cosigned again: the first request could be about
 * another history. It is refused until the file is back, or the log is known under another origin.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  appendSignatures,
  cosign,
  cosignaturesOf,
  FormatError,
  judgeAddCheckpoint,
  openNote,
  parseCheckpointText,
  parseNote,
  type AddCheckpoint,
  type Finding,
  type KnownLog,
  type OpenedCheckpoint,
  type SigningKey,
  type WitnessedHead,
} from '@everseal/audit-core';
import { replaceFile } from '@everseal/process';
import { addName, readNames } from './name-list.js';

export interface WitnessReply {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422 | 503;
  readonly body: string;
}

export interface WitnessedLogParts {
  readonly folder: string;
  /** The keys to cosign with; empty while there is none that may be used. */
  readonly keys: () => readonly SigningKey[];
  readonly now: () => number;
  /** Told of a log that shows two histories. */
  readonly report: (finding: Finding, evidence: Record<string, string>) => void;
}

interface Latest extends WitnessedHead {
  readonly note: string;
}

/** To a request that cannot be judged; the log asks again by itself. */
const UNAVAILABLE = (why: string): WitnessReply => ({ status: 503, body: `${why}\n` });

export class WitnessedLog {
  private readonly file: string;
  private readonly origins: string;
  private latest: Latest | null = null;
  /** Why nothing is cosigned; null when all is well. */
  private broken: string | null = null;

  constructor(
    private readonly log: KnownLog,
    private readonly parts: WitnessedLogParts,
  ) {
    const name = createHash('sha256').update(log.origin).digest('hex');
    this.file = path.join(parts.folder, `${name}.note`);
    this.origins = path.join(parts.folder, 'origins.json');
    this.recall();
  }

  get origin(): string {
    return this.log.origin;
  }

  /** Size of the newest checkpoint that was cosigned; 0 before the first. */
  get size(): number {
    return this.latest?.size ?? 0;
  }

  get problem(): string | null {
    return this.broken;
  }

  /** @throws system errors when the state cannot be written: then nothing was signed */
  addCheckpoint(request: AddCheckpoint): WitnessReply {
    if (this.broken !== null) return UNAVAILABLE('this witness lost what it knew of the log');
    const keys = this.parts.keys();
    if (keys.length === 0) return UNAVAILABLE('this witness has no key that it may use');
    const judged = judgeAddCheckpoint(request, this.log, this.latest);
    if (judged.status === 200) return this.cosign(request.checkpoint, judged.checkpoint, keys);
    if (judged.forked) this.reportFork(request.checkpoint);
    return { status: judged.status, body: judged.body };
  }

  private cosign(
    checkpoint: string,
    { text, size, root }: OpenedCheckpoint,
    keys: readonly SigningKey[],
  ): WitnessReply {
    const seconds = Math.floor(this.parts.now() / 1_000);
    const lines = keys.map((key) => cosign(text, key, seconds));
    const { signatures } = parseNote(checkpoint);
    // Only the log's own lines are kept: what others added is not ours to store.
    const own = signatures.filter((line) => this.log.keys.some((key) => key.matches(line.name, line.keyId)));
    const note = appendSignatures(`${text}\n${own.map(({ line }) => `${line}\n`).join('')}`, lines);
    replaceFile(this.file, note);
    // Crash here: the log is known to have begun by its file alone; the next start writes it down.
    if (this.latest === null) addName(this.origins, this.origin);
    // Crash here: the log asks again from the size before, and is told this one.
    this.latest = { size, root, note };
    return { status: 200, body: lines.map((line) => `${line}\n`).join('') };
  }

  private reportFork(second: string): void {
    const { note: first, size, root } = this.latest!;
    const found = parseCheckpointText(parseNote(second).text).root;
    this.parts.report(
      {
        code: 'log.forked',
        index: size,
        height: null,
        detail: `${this.origin}, which this verifier is a witness of, signed two checkpoints of size ${size}`,
        expected: root.toString('base64'),
        found: found.toString('base64'),
      },
      { first, second },
    );
  }

  private recall(): void {
    const note = readIfThere(this.file);
    const isBegun = readNames(this.origins).includes(this.origin);
    if (note === null) {
      if (isBegun) this.broken = `${this.file} is gone`;
      return;
    }
    try {
      this.latest = this.opened(note);
      if (!isBegun) addName(this.origins, this.origin);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.broken = `${this.file} is damaged: ${error.message}`;
    }
  }

  /** Signed by the log or by us, whichever key was not replaced since. */
  private opened(note: string): Latest {
    const parsed = parseNote(note);
    const { origin, size, root } = parseCheckpointText(parsed.text);
    if (origin !== this.origin) throw new FormatError('checkpoint.origin', 'it is of another log');
    const mine = this.parts.keys().map(({ verifier }) => verifier);
    if (cosignaturesOf(parsed, mine).length === 0) openNote(parsed, this.log.keys);
    return { size, root, note };
  }
}

function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
