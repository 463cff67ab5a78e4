/**
 * The conditions under which one ledger's requests are accepted, and how each is found out:
 *
 *     window   the duplicate window knows what the spool holds          told by the intake, once
 *     lane     every frame that was built stands in the lane            told by the commit loop
 *     stream   it is there, and its configuration is the policy's       asked from time to time
 *     keys     the newest key set names a key of ours                   looked at
 *     disk     the spool can be written                                 looked at
 *     clock    it is near the cosigned time, and not before a frame     looked at
 */
import { agreedSeconds, ingestKeysOf, parseOrigin, type SigningKey } from '@everseal/audit-core';
import type { StreamReader } from '@everseal/messaging';
import type { Policy } from '@everseal/policy';
import type { Condition, KeyFile } from '@everseal/process';
import type { Announcements } from './announcements.js';
import { streamProblem } from './broker-check.js';
import type { ClockGuard } from './clock-guard.js';
import type { LaneName } from './frame-builder.js';
import type { Gate } from './gate.js';
import type { Spool } from './spool.js';

export type ReadinessParts = {
  readonly name: LaneName;
  readonly policy: Policy;
  readonly keys: KeyFile;
  readonly clock: ClockGuard;
  readonly spool: Spool;
  readonly announcements: Announcements;
  readonly reader: StreamReader;
};

export class Readiness {
  readonly window: Condition;
  readonly lane: Condition;
  private readonly stream: Condition;
  private readonly keys: Condition;
  private readonly disk: Condition;
  private readonly clock: Condition;

  /** None holds yet. */
  constructor(
    gate: Gate,
    private readonly parts: ReadinessParts,
  ) {
    this.window = gate.condition('window', 'the spool is being read');
    this.lane = gate.condition('lane', 'the lane is not resolved yet');
    this.stream = gate.condition('stream', 'the stream is not checked yet');
    this.keys = gate.condition('keys', 'the key set is not checked yet');
    this.disk = gate.condition('disk', 'the disk is not checked yet');
    this.clock = gate.condition('clock', 'the clock is not checked yet');
  }

  /** The conditions that need no question to anybody. @returns our key that the newest key set names; null for none */
  look(): SigningKey | null {
    const { announcements, spool, name, keys, clock } = this.parts;
    const { newestAccepted } = spool;
    const inForce = keys.among(ingestKeysOf(announcements.keys, name.ingester));
    const { vkey } = keys.keys[0]!.verifier;
    settle(
      this.keys,
      inForce ? null : `the newest key set of ${parseOrigin(name.origin).ledger} does not name ${vkey}`,
    );
    settle(this.disk, spool.writable ? null : 'the disk of the spool is full: make room');
    settle(this.clock, clock.problem({ newestAccepted, cosignedSeconds: agreedSeconds(announcements.cosigned) }));
    return inForce;
  }

  /** Asks the broker about the stream. @throws what may pass: it is not known then */
  async askStream(): Promise<void> {
    const { reader, policy, name } = this.parts;
    try {
      settle(this.stream, await streamProblem(reader, policy, parseOrigin(name.origin).ledger));
    } catch (error) {
      this.stream.fail(error instanceof Error ? error.message : String(error));
      throw error;
    }
  }
}

function settle(condition: Condition, problem: string | null): void {
  if (problem === null) condition.ok();
  else condition.fail(problem);
}
