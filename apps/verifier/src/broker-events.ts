/**
 * The broker's own events into the system ledger: connections, refused ones, failed handshakes, and what was changed through the JetStream
 * API. One of the verifiers hears each (a queue group), counts for some seconds and hands over what came together.
 *
 * What is said while no verifier listens is said to nobody: these are plain messages. That one stopped listening is itself an event, of the
 * broker and by its missing heartbeat.
 */
import { randomUUID } from 'node:crypto';
import { formatBrokerEvent, formatTimestamp } from '@everseal/audit-core';
import { listen, type NatsLink } from '@everseal/messaging';
import { BROKER_SAYS, CLAIM_QUEUE } from '@everseal/policy';
import type { SystemLedger } from '@everseal/system-ledger';
import { brokerFact, UNKNOWN, type BrokerFact } from './broker-fact.js';
import { BrokerTally } from './broker-tally.js';
import type { OwnScans } from './own-scans.js';

export interface BrokerEventsOptions {
  /** `<domain>/verifier/<name>` */
  verifier: string;
  link: NatsLink;
  ledger: Pick<SystemLedger, 'seal'>;
  /** What is said of these is named. */
  ownScans: Pick<OwnScans, 'isOwn'>;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Length of a window, milliseconds; default 10,000. */
  windowMs?: number;
  onFault: (error: Error) => void;
}

const WINDOW_MS = 10_000;

export interface BrokerEvents {
  /** Listens no more, and hands over what was counted. */
  stop(): Promise<void>;
}

export function recordBrokerEvents(options: BrokerEventsOptions): BrokerEvents {
  const { verifier, link, ledger, ownScans, now, windowMs = WINDOW_MS, onFault } = options;
  const tally = new BrokerTally();
  // Whoever was let in as somebody was let in as somebody: no scan is an excuse for that.
  const isScan = ({ action, actor, address }: BrokerFact): boolean =>
    actor === UNKNOWN && action !== 'connect' && ownScans.isOwn(action, address, now());
  const listening = Object.values(BROKER_SAYS).map((subject) =>
    listen(link, subject, {
      queue: CLAIM_QUEUE,
      onMessage: (message) => {
        const fact = brokerFact(message.subject, message.data);
        if (fact !== null) tally.note({ ...fact, isScan: isScan(fact) }, now());
      },
      onFault,
    }),
  );
  const handOver = (): void => {
    const time = formatTimestamp(now());
    for (const { first, last, ...fact } of tally.take()) {
      const times = { first: formatTimestamp(first), last: formatTimestamp(last) };
      ledger.seal(formatBrokerEvent({ id: randomUUID(), verifier, time, ...fact, ...times }));
    }
  };
  const timer = setInterval(handOver, windowMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(listening.map((one) => one.stop()));
      handOver();
    },
  };
}
