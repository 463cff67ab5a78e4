/**
 * A plain subscription: the callback runs for every message, as it is read from the socket. For the hot path (submit
 * requests) and for core messages (nudges, heartbeats, announcements). Answers given in the same turn of the event loop
 * leave in one write.
 *
 * Two things that would otherwise go wrong in silence: an exception in the callback would end the client library's read
 * loop for the whole connection, and a subscription that the server forbids is gone for good.
 */
import type { Msg } from '@nats-io/transport-node';
import type { NatsLink } from './connect.js';
import { MessagingError } from './messaging-error.js';

export interface ListenOptions {
  /** Queue group: each message goes to one of its members. */
  queue?: string;
  /** Called in the order of arrival, from the read loop: return soon. `data` is a view of the read buffer. */
  onMessage: (message: Msg) => void;
  /** The subscription is over (nats.subscription-lost), or onMessage threw: end the process. */
  onFault: (error: Error) => void;
}

export interface Listening {
  /** No further message is taken; those already here are handed over first. */
  stop(): Promise<void>;
}

export function listen(link: NatsLink, subject: string, { queue, onMessage, onFault }: ListenOptions): Listening {
  const subscription = link.nc.subscribe(subject, {
    ...(queue === undefined ? {} : { queue }),
    callback: (error, message) => {
      if (error !== null) {
        const why = `the subscription to ${subject} is over: ${error.message}`;
        onFault(new MessagingError('nats.subscription-lost', why, { cause: error }));
        return;
      }
      try {
        onMessage(message);
      } catch (thrown) {
        onFault(thrown instanceof Error ? thrown : new Error(String(thrown)));
      }
    },
  });
  return {
    stop: async () => {
      if (!subscription.isClosed() && !link.nc.isClosed()) await subscription.drain().catch(() => undefined);
    },
  };
}
