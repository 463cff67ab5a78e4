/**
 * Who accepted the events of an export: frames and events by ingester. Whoever exports counts what stands there; whoever checks
 * counts only what was shown to be signed, and has to come to the same.
 */
import { entryKind } from './entry-kind.js';
import { parseFrameText, type Frame } from './frame.js';
import { MOST_ENTRY_BYTES, parseNote } from './note.js';

/** What one ingester signed of an export. */
export type FrameShare = {
  readonly ingester: string;
  /** Frames of which the export holds events. */
  readonly frames: number;
  /** Events of theirs that it holds. */
  readonly events: number;
};

/** A frame, and the entries of it that an export holds. */
export type ShownFrame = { readonly frame: Frame; readonly first: number; readonly last: number };

/** Told of every frame that was shown to be signed, in the order of the log. */
export type OnFrame = (shown: ShownFrame) => void;

const BRACE = 0x7b;

export class FrameTally {
  private readonly shares = new Map<string, { frames: number; events: number }>();
  private newest: Frame | null = null;

  /** Counts events of a frame. Those of one frame stand together, so the frame before is all that has to be remembered. */
  add(frame: Frame, events: number): void {
    const { ingester, number } = frame;
    const share = this.shares.get(ingester) ?? { frames: 0, events: 0 };
    const again = this.newest?.ingester === ingester && this.newest.number === number;
    this.shares.set(ingester, { frames: share.frames + (again ? 0 : 1), events: share.events + events });
    this.newest = frame;
  }

  /**
   * Counts an entry of a whole ledger: nothing, or the events that follow a frame.
   * @throws FormatError `entry.kind`, `frame.*`; NoteError `note.*`
   */
  addEntry(entry: Uint8Array): void {
    if (entry[0] === BRACE || entryKind(entry) !== 'frame') return;
    const frame = parseFrameText(parseNote(entry, MOST_ENTRY_BYTES).text);
    this.add(frame, frame.count);
  }

  /** By name of the ingester. */
  result(): FrameShare[] {
    const shares = [...this.shares].filter(([, { events }]) => events > 0);
    return shares
      .map(([ingester, share]) => ({ ingester, ...share }))
      .sort((a, b) => (a.ingester < b.ingester ? -1 : 1));
  }
}
