/**
 * The block that is being committed while the next one is filled: one at a time, and its failure is never overlooked.
 *
 * Nobody waits for a commit while frames keep coming, and on a quiet ledger nothing may come for minutes; so the failure
 * is remembered and `check` throws it at the next turn. Before anything reads the head again the commit must have come to
 * its end, else it would move the head under the new reader: `settled`.
 */

export class CommitUnderWay {
  private commit: Promise<void> = Promise.resolve();
  private failed = false;

  /** Takes a commit over; the one before must be done. */
  begin(commit: Promise<void>): void {
    this.commit = commit;
    commit.catch(() => {
      this.failed = true;
    });
  }

  /** Throws the failure of the commit when it has failed; never waits. */
  async check(): Promise<void> {
    if (this.failed) await this.commit;
  }

  /** Waits for the commit; throws its failure. */
  done(): Promise<void> {
    return this.commit;
  }

  /** Waits for the commit, however it ends. */
  async settled(): Promise<void> {
    await this.commit.catch(() => undefined);
  }
}
