/**
 * Every read of content is itself an event of the system ledger. It is on this machine's disk before the answer leaves, and is
 * brought into the ledger from there; a read that cannot be recorded is refused. It says that the read was allowed, not that
 * the answer arrived.
 */
import { randomUUID } from 'node:crypto';
import { formatReadEvent, formatTimestamp } from '@everseal/audit-core';
import type { SystemLedger } from '@everseal/system-ledger';
import type { Client } from './client.js';
import { Problem } from './problem.js';

export interface Read {
  readonly client: Client;
  readonly operation: string;
  readonly origin: string;
  /** Path and query as they came. */
  readonly request: string;
  readonly address: string;
}

export class ReadRecorder {
  /**
   * @param reader `<domain>/reader/<name>`
   * @param ledger null where the policy names no system ledger: then nothing can be recorded
   * @param now milliseconds since 1970
   */
  constructor(
    private readonly reader: string,
    private readonly ledger: Pick<SystemLedger, 'take'> | null,
    private readonly now: () => number,
  ) {}

  /** @throws Problem read.unrecorded */
  record({ client, operation, origin, request, address }: Read): void {
    if (this.ledger === null) {
      const message =
        'reads of events are recorded in the system ledger, and the policy of this installation names none';
      throw new Problem('read.unrecorded', message);
    }
    const time = formatTimestamp(this.now());
    const who = { reader: this.reader, client: client.id };
    const event = formatReadEvent({ id: randomUUID(), time, ...who, operation, origin, request, address });
    if (this.ledger.take(event)) return;
    throw new Problem(
      'read.unrecorded',
      'this read cannot be recorded now, so it is not answered: ask again later',
      10,
    );
  }
}
