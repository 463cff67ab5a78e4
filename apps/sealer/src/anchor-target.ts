/** Where checkpoints are anchored: one small interface, and what each of its implementations has to keep to. */

/** A checkpoint to be anchored. */
export interface ToAnchor {
  /** Origin of the ledger. */
  readonly origin: string;
  readonly size: number;
  /** The checkpoint as the log signed it: the bytes of its row, without cosignatures. */
  readonly note: Buffer;
  /** The ledger's key sets up to the newest that is sealed, oldest first; what keeps copies keeps them, too. */
  readonly keySets: readonly Buffer[];
}

/**
 * A place outside of this installation that can show later that a checkpoint existed.
 *
 * - `anchor` MUST resolve only when the target has the checkpoint for good, as far as it can be made sure of, and with evidence that
 *   the verifier's check takes (apps/verifier, stored-anchor.ts).
 * - It MUST be safe to be asked again for the same checkpoint after any failure: what became of the one before is not known, so it
 *   looks first, or does what can be done twice.
 * - It MUST throw AnchorContradiction when the target holds something else where this checkpoint belongs, and anything else for what
 *   may pass.
 */
export interface AnchorTarget {
  /** `rfc3161`, `file` or `s3`. */
  readonly kind: string;
  /** Its name in the settings. */
  readonly name: string;
  /** @param signal aborted when the sealer stops @returns the evidence, at most 1 MiB */
  anchor(checkpoint: ToAnchor, signal: AbortSignal): Promise<Buffer>;
  /** Gives back what it holds open. */
  close(): Promise<void>;
}

/** The target holds another history than the log: nothing that passes by itself. */
export class AnchorContradiction extends Error {
  /** @param held what stands there, for the alert */
  constructor(
    message: string,
    readonly held: string,
  ) {
    super(message);
    this.name = 'AnchorContradiction';
  }
}
