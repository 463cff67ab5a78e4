/** A question that only the active sealer of a ledger can answer, or an order for it: the others say that they stand by. */
import { FormatError } from '@everseal/audit-core';
import { MessagingError, request, ServiceError, type NatsLink } from '@everseal/messaging';
import { CliFailure, usage } from './cli-failure.js';
import { ledgerSettings, type CliSettings } from './config.js';
import { connectAsOps } from './connections.js';
import { EXIT } from './exit-code.js';

export interface SealersQuestion<T> {
  readonly ledger: string;
  /** The subject on which this sealer serves it. */
  readonly subjectOf: (sealer: string) => string;
  readonly body: Buffer;
  readonly parse: (answer: Buffer) => T;
  /** Seconds to wait for the answer of one sealer. */
  readonly timeout: number;
}

/**
 * Asks the sealers in turn until the active one answers. What reaches it twice has to be the same as once.
 * @throws CliFailure when it refuses, or when none answers for the ledger
 */
export async function askSealers<T>(settings: CliSettings, question: SealersQuestion<T>): Promise<T> {
  ledgerSettings(settings, question.ledger);
  const sealers = settings.services.filter(({ service }) => service === 'sealer').map(({ name }) => name);
  if (sealers.length === 0) throw usage('the settings name no sealer: add them under services');
  const link = await connectAsOps(settings);
  const why: string[] = [];
  try {
    for (const name of sealers) {
      const answer = await askOne(link, question.subjectOf(name), question);
      if ('said' in answer) return answer.said;
      why.push(`${name}: ${answer.silent}`);
    }
  } finally {
    await link.close();
  }
  throw new CliFailure(EXIT.unavailable, `no sealer of ${question.ledger} answers for it: ${why.join('; ')}`);
}

async function askOne<T>(
  link: NatsLink,
  subject: string,
  { body, parse, timeout }: SealersQuestion<T>,
): Promise<{ said: T } | { silent: string }> {
  try {
    const { data } = await request(link, subject, body, { timeoutMs: timeout * 1_000 });
    return { said: parse(data) };
  } catch (error) {
    if (error instanceof ServiceError && error.fate === 'refuse') {
      throw new CliFailure(EXIT.refused, `the order is refused: ${error.message} (${error.code})`);
    }
    const isNoAnswer = error instanceof ServiceError || error instanceof MessagingError || error instanceof FormatError;
    if (!isNoAnswer) throw error;
    return { silent: error.message };
  }
}
