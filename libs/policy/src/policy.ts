/**
 * What a policy says, once it is read (parse-policy.ts) and every field has its value: who may write where, which
 * services exist, how large the streams are. Everything the broker and the database let anybody do is rendered from it,
 * and the services read it for the same answers. Units are in the fields' names.
 */

/** A ring holds at least this many times the sum of its ingesters' spool bounds. */
export const RING_FACTOR = 2;

export interface LedgerPolicy {
  name: string;
  /** Ingesters that accept events for it, by their names in `ingest`. */
  ingesters: string[];
  /** The stream of its frames, a ring that drops its oldest. */
  frames: {
    /** Bytes; default RING_FACTOR × ingesters × spoolBytes, which is also the least. */
    maxBytes: number;
    /** Milliseconds, default 14 days. A far backstop: ingest stops accepting at a quarter of it. */
    maxAgeMs: number;
  };
  /** Bytes of unsealed frames each of its ingesters may hold for it before it refuses as `unavailable`; default 256 MiB. */
  spoolBytes: number;
}

/** Somebody with a certificate. */
export interface Named {
  name: string;
  /**
   * Which of its certificates count, default 1: raised by one when a certificate was stolen, and every earlier one is nobody's
   * (identities.ts).
   */
  generation?: number | undefined;
}

export interface ProducerPolicy extends Named {
  /** Ledgers it may write to. */
  ledgers: string[];
  /** CloudEvents `source` values it may use: exact, or a prefix ending in `*`. */
  sources: string[];
}

export interface AuditorPolicy extends Named {
  /** Ledgers that it may read, events included, through a reader. */
  ledgers: string[];
}

export type NamedService = Named;

/** Limits of the broker, for a restart or a reload of nats-server to take up. */
export interface BrokerPolicy {
  /** Connections in all, default 256. */
  maxConnections: number;
  /** Connections of one producer, default 16. */
  maxConnectionsPerProducer: number;
  /** Milliseconds a client may take to read what it was sent before it is dropped, default 10,000. */
  writeDeadlineMs: number;
  /** Milliseconds between the server's pings, default 20,000; two unanswered ones end the connection. */
  pingIntervalMs: number;
  /** Milliseconds for the TLS handshake, default 3,000. */
  tlsTimeoutMs: number;
  /** Bytes of stored alerts before the oldest go, default 256 MiB. */
  alertBytes: number;
}

export interface Policy {
  /** Lower-case DNS name, first part of every origin and key name. */
  domain: string;
  ledgers: LedgerPolicy[];
  /** The one of `ledgers` that the services write what they have to say into (alerts); nobody else may. */
  systemLedger?: string | undefined;
  /** The one of `ledgers` that `everseal drill` may tamper with; its producers have no other ledger. */
  drillLedger?: string | undefined;
  producers: ProducerPolicy[];
  ingest: NamedService[];
  sealers: NamedService[];
  verifiers: NamedService[];
  ops: NamedService[];
  /** Instances of the read API; may be none. */
  readers: NamedService[];
  /** Instances that bring what the engines log into the system ledger, each beside the engines that it follows; may be none. */
  followers: NamedService[];
  /** Who reads through it with a certificate; tokens are the reader's own (docs/operations/reader.md). */
  auditors: AuditorPolicy[];
  /** The certificates of deploy time (identities.ts): which of them count, default the first generation. */
  deploy?: { generation?: number | undefined } | undefined;
  /** Copies of each stream: 1 on one server, 3 or 5 on a cluster; default 1. */
  replicas: 1 | 3 | 5;
  broker: BrokerPolicy;
}
