/**
 * Events whose rows are not as they should be and are left so: they may be the original of a later event, which the index then does
 * not show (`duplicate_of`, formats.md "Event index"). Without them the rows of the copies would be called altered, or be written
 * wrong.
 */
import { sha256, type BlockEvent } from '@everseal/audit-core';
import { PARTITION_POSITIONS } from '@everseal/ledger-store';

type Identified = Pick<BlockEvent, 'position' | 'identity' | 'event' | 'duplicateOf'>;

export class HiddenOriginals {
  /** Identities that are among them: the bytes of an event are hashed only where its identity is known. */
  private readonly identities = new Set<string>();
  /** By identity and bytes: the first position in each partition, ascending. */
  private readonly places = new Map<string, number[]>();

  /** How many different ones are kept. */
  get size(): number {
    return this.places.size;
  }

  /** @param events in order of position, behind all that were added before */
  add(events: readonly Identified[]): void {
    for (const event of events) {
      if (event.identity === null) continue;
      const key = keyOf(event, event.identity);
      const places = this.places.get(key) ?? [];
      const last = places.at(-1);
      if (last !== undefined && partitionOf(last) === partitionOf(event.position)) continue;
      this.identities.add(event.identity.toString('latin1'));
      this.places.set(key, [...places, event.position]);
    }
  }

  /** Corrects `duplicateOf` of events for which what the index shows is not the first one. */
  correct(events: readonly BlockEvent[]): void {
    if (this.places.size === 0) return;
    for (const event of events) {
      if (event.identity === null || !this.identities.has(event.identity.toString('latin1'))) continue;
      const places = this.places.get(keyOf(event, event.identity)) ?? [];
      const place = places.find((one) => one < event.position && inReach(one, event.position));
      if (place !== undefined) event.duplicateOf = Math.min(place, event.duplicateOf ?? place);
    }
  }
}

function keyOf({ event }: Identified, identity: Buffer): string {
  return identity.toString('latin1') + sha256(event).toString('latin1');
}

const partitionOf = (position: number): number => Math.floor(position / PARTITION_POSITIONS);
const inReach = (place: number, position: number): boolean => partitionOf(place) >= partitionOf(position) - 1;
