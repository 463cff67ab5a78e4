/** A log of others for specs of witnesses: numbered leaves, its key, its checkpoints and requests; and what a fork of it shows. */
import { signCheckpoint } from './checkpoint.js';
import { treeRoot } from './compact-range.js';
import { proveConsistency } from './consistency.js';
import { leafHash, sha256, type Hash } from './hash.js';
import { NOTE_KEY, SigningKey, type VerifierKey } from './key.js';
import { formatAddCheckpoint } from './witness-message.js';

export class ForeignLog {
  private constructor(
    readonly origin: string,
    private readonly key: SigningKey,
    private readonly leaves: readonly Hash[],
  ) {}

  static of(origin: string, size: number): ForeignLog {
    const key = SigningKey.fromSeed(origin, sha256(Buffer.from(`key of ${origin}`)), NOTE_KEY);
    return new ForeignLog(
      origin,
      key,
      Array.from({ length: size }, (_, i) => leafHash(Buffer.from(`${origin} ${i}`))),
    );
  }

  /** The same log, signed with the same key, with another history from this entry on. */
  forked(from: number): ForeignLog {
    const leaves = this.leaves.map((leaf, i) => (i < from ? leaf : sha256(leaf)));
    return new ForeignLog(this.origin, this.key, leaves);
  }

  /** The same log, signed by a key that nobody was told of. */
  resigned(): ForeignLog {
    const key = SigningKey.fromSeed(this.origin, sha256(Buffer.from('stranger')), NOTE_KEY);
    return new ForeignLog(this.origin, key, this.leaves);
  }

  get verifier(): VerifierKey {
    return this.key.verifier;
  }

  root(size: number): Hash {
    return treeRoot(this.leaves.slice(0, size));
  }

  checkpoint(size: number): string {
    return signCheckpoint({ origin: this.origin, size, root: this.root(size) }, this.key);
  }

  proof(old: number, size: number): Hash[] {
    return old === 0 || old === size ? [] : proveConsistency(old, this.leaves.slice(0, size));
  }

  /** A request of add-checkpoint as it should be. */
  request(old: number, size: number, checkpoint = this.checkpoint(size)): string {
    return formatAddCheckpoint({ old, proof: this.proof(old, size), checkpoint });
  }
}
