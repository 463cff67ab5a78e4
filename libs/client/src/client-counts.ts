/** What happened since the client was made; numbers only grow. For the program's own metrics. */
export interface ClientCounts {
  /** Events with a verified receipt. */
  receipted: number;
  /** Events that ingest refused. */
  refused: number;
  /** Events that were dropped, with `failure: 'open'`. */
  dropped: number;
  /** Requests that were sent, repetitions included. */
  attempts: number;
  /** Attempts that brought no outcome and were, or will be, made again. */
  retries: number;
  /** Answers that claimed acceptance and did not prove it. Anything but 0 is to be looked at. */
  unverified: number;
  /** Connections made: more than one after a break, or when the certificate was renewed. */
  connections: number;
  /** Events that the outbox had no room for, or could not write. */
  unkept: number;
}

export function noCounts(): ClientCounts {
  return { receipted: 0, refused: 0, dropped: 0, attempts: 0, retries: 0, unverified: 0, connections: 0, unkept: 0 };
}
