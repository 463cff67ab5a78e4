/** What a client is told when it connects, every option with its unit, default and consequence; checked once. */

import { EversealError } from './everseal-error.js';
import type { Proof } from './proof.js';

export interface ClientOptions {
  /** `tls://host:port`, one or several; the server's certificate must carry the host. */
  servers: string | readonly string[];
  /** Paths of PEM files: the producer's certificate, its key (mode 0600), the root that the servers are checked against. */
  tls: { certFile: string; keyFile: string; caFile: string };
  /** Path of a key set note of the ledger, e.g. its genesis.note: by its ingest keys receipts are believed. It names the ledger. */
  trustFile: string;
  /** CloudEvents source of every event; the policy says which a producer may use. */
  source: string;

  /** Milliseconds that `connect` waits for the first connection before it gives up; 0 does not wait, and goes on trying. Default 10,000. */
  connectWithinMs?: number;
  /** Milliseconds until a call is settled. Default 30,000. */
  withinMs?: number;
  /** What a call does that cannot be fulfilled, see RecordOptions. Default `closed`. */
  failure?: 'closed' | 'open';
  /** Requests in flight, 1 to 64. With 1 the log has the order of the calls. Default 4. */
  inFlight?: number;
  /** Most events a request, 1 to 512. Default 512. */
  batchEvents?: number;
  /** Bytes of events that may wait in memory without being in an outbox; more are refused. Default 16 MiB. */
  mostWaitingBytes?: number;
  /** Milliseconds that one attempt waits for its answer. Longer than ingest lets a request wait (5 s). Default 10,000. */
  answerWithinMs?: number;
  /** Keeps events on the local disk until they have their receipts. Default none. */
  outbox?: {
    /** Made if it is not there; one process a folder. On a local disk. */
    folder: string;
    /** Bytes of events that may wait in it, and in memory. Its files may take twice as much. Default 64 MiB. */
    mostBytes?: number;
  };

  /** Milliseconds since 1970: the time of events and the validity of certificates. Default Date.now. */
  now?: () => number;

  /** Every verified receipt. The outbox forgets an event only when this has returned, or its promise is fulfilled. */
  onReceipt?: (proof: Proof) => void | Promise<void>;
  /** An event that was kept and will never be taken. With its reason it stays in `refused.ndjson` of the outbox. */
  onRefused?: (event: { id: string; bytes: Buffer }, error: EversealError) => void;
  /** An event that was dropped, with `failure: 'open'`; bytes null when there are none. */
  onDropped?: (event: { id: string | null; bytes: Buffer | null }, error: EversealError) => void;
  /** What an operator should see: a certificate that cannot be renewed, an outbox that is full, a receipt that proves nothing. At most every ten seconds a code. */
  onProblem?: (error: Error) => void;
}

const MIB = 1024 * 1024;

const BOUNDS = {
  connectWithinMs: { least: 0, most: 3_600_000, usual: 10_000 },
  withinMs: { least: 1, most: 86_400_000, usual: 30_000 },
  inFlight: { least: 1, most: 64, usual: 4 },
  batchEvents: { least: 1, most: 512, usual: 512 },
  mostWaitingBytes: { least: 1, most: 1_024 * MIB, usual: 16 * MIB },
  answerWithinMs: { least: 1, most: 600_000, usual: 10_000 },
} as const;
const OUTBOX_BOUNDS = { least: 1, most: 16_384 * MIB, usual: 64 * MIB };

export type Numbers = Record<keyof typeof BOUNDS, number>;

/** @throws EversealError client.settings */
export function numbersOf(options: ClientOptions): Numbers {
  const names = Object.keys(BOUNDS) as (keyof Numbers)[];
  return Object.fromEntries(names.map((name) => [name, bounded(name, options[name], BOUNDS[name])])) as Numbers;
}

/** @throws EversealError client.settings */
export function outboxBytes({ mostBytes }: NonNullable<ClientOptions['outbox']>): number {
  return bounded('outbox.mostBytes', mostBytes, OUTBOX_BOUNDS);
}

/** A call's own deadline. @throws EversealError client.settings */
export function deadlineOf(withinMs: number | undefined, usual: number): number {
  return bounded('withinMs', withinMs, { ...BOUNDS.withinMs, usual });
}

function bounded(
  name: string,
  value: number | undefined,
  { least, most, usual }: { least: number; most: number; usual: number },
): number {
  if (value === undefined) return usual;
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new EversealError('client.settings', `${name} is ${value}: it must be an integer from ${least} to ${most}`);
}
