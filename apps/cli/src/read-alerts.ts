/** Where alerts come from: the keys that may sign them, and the stream that keeps them. */
import { readFileSync } from 'node:fs';
import { FormatError, parseVkey, type VerifierKey } from '@everseal/audit-core';
import { StreamReader, type NatsLink, type StoredMessage } from '@everseal/messaging';
import { ALERTS } from '@everseal/policy';
import { CliFailure, usage } from './cli-failure.js';
import type { CliSettings } from './config.js';
import { EXIT } from './exit-code.js';

const BATCH = { maxMessages: 256, maxBytes: 4 * 1024 * 1024 };

/** @throws CliFailure when the settings name no file, or a line of it is no key */
export function readAlertKeys({ alertKeysFile }: CliSettings): VerifierKey[] {
  if (alertKeysFile === undefined) {
    throw usage('the settings have no alertKeysFile: without the keys of the services no alert can be believed');
  }
  const lines = readFileSync(alertKeysFile, 'utf8').split('\n');
  return lines.flatMap((line, i) => {
    if (line === '') return [];
    try {
      return [parseVkey(line)];
    } catch (cause) {
      if (!(cause instanceof FormatError)) throw cause;
      throw new CliFailure(EXIT.usage, `${alertKeysFile}:${i + 1}: ${cause.message}`, { cause });
    }
  });
}

/** The stored alerts, and whether the oldest of all is still among them. */
export class StoredAlerts {
  private readonly reader: StreamReader;
  private next = 1;
  /** The stream has dropped nothing yet: its first message is there. */
  hasFirst = true;

  constructor(link: NatsLink) {
    this.reader = new StreamReader(link, ALERTS);
  }

  /**
   * Those that this has not given yet, up to the newest of now.
   * @throws MessagingError
   */
  async *unread(): AsyncGenerator<StoredMessage> {
    const { firstSequence, lastSequence } = await this.reader.info();
    this.hasFirst = firstSequence <= 1;
    this.next = Math.max(this.next, firstSequence);
    while (this.next <= lastSequence) {
      const batch = await this.reader.readFrom(this.next, BATCH);
      if (batch.length === 0) return;
      for (const message of batch) yield message;
      this.next = batch.at(-1)!.sequence + 1;
    }
  }
}
