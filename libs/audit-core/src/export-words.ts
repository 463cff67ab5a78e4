/** What a checked export proves and what it does not, as sentences for people. */
import type { ShownFrame } from './frame-tally.js';
import { checkpointWords, numeral, witnessDoubts, type Words } from './proof-words.js';
import type { VerifiedExport } from './verify-export.js';

/** @param statement `completenessWords` of it */
export function exportWords(checked: VerifiedExport, statement: readonly string[]): Words {
  const { ledger, census, believed, genesis } = checked;
  const { events, withoutContent, first, last } = census;
  const counted =
    first && last ? `${numeral(events)} events, accepted from ${first.accepted} to ${last.accepted}` : 'no events';
  const proven = [`${ledger}: ${counted}`, checkpointWords(believed), ...statement, ...derivedWords(checked)];
  const notProven = [
    'that what the events say is true, or that their producers wrote them: the ingesters vouch for that',
    ...openWords(checked),
  ];
  if (withoutContent > 0)
    notProven.push(`what ${numeral(withoutContent)} events say: only a digest of them was sealed`);
  if (genesis !== null)
    proven.push(`entry 0, from which the log's keys follow, has the hash ${genesis.toString('base64')}`);
  return { proven, notProven: [...notProven, ...witnessDoubts(believed)] };
}

function derivedWords({ selection, evidence, olderCheckpoints }: VerifiedExport): string[] {
  if (selection.kind === 'ledger') {
    return [
      'every signature, hash and chain of the log was derived again from its entries and agrees',
      `${numeral(olderCheckpoints)} older checkpoints are of the same history`,
    ];
  }
  if (evidence === null) return [];
  const words: string[] = [];
  if (evidence.custody.length > 0)
    words.push("the ingesters' signatures were checked, with keys that the log's own key sets name, from entry 0 on");
  if (olderCheckpoints > 0)
    words.push(`${numeral(olderCheckpoints)} checkpoints that were time-stamped are of the same history`);
  return words;
}

function openWords({ selection, evidence }: VerifiedExport): string[] {
  const words: string[] = [];
  if (evidence === null && selection.kind === 'range') {
    words.push(
      'that ingesters signed these entries: this export is of a version that shows it of single events and whole ledgers alone; export the range again',
    );
  }
  if (evidence !== null && selection.kind !== 'ledger') {
    words.push('that no further key set of the log took a key away before it signed here: the whole ledger shows that');
  }
  if (evidence?.timestamps.length === 0)
    words.push('since when it exists by a clock that neither the log nor its witnesses set: no time stamp is in it');
  return words;
}

/** Which entries of an export an ingester signed as one frame. */
export function frameWords({ frame, first, last }: ShownFrame): string {
  const { ingester, number, count, accepted } = frame;
  const entries = first === last ? `entry ${numeral(first)}` : `entries ${numeral(first)} to ${numeral(last)}`;
  return `${entries}: accepted by ingest ${ingester} at ${accepted}, in its frame ${numeral(number)} of ${numeral(count)}`;
}

/** The same for programs. */
export function frameFacts({ frame, first, last }: ShownFrame): object {
  const { ingester, number, count, accepted } = frame;
  return { first, last, ingester, frame: number, count, accepted };
}
