/**
 * Who this producer is: its certificate says so, in its one name `spiffe://<domain>/producer/<name>`. Subject and inbox
 * follow from it; asking for them in the settings, too, would only add ways to contradict the broker.
 */
import type { Material } from '@everseal/tls';
import { parseOrigin } from '@everseal/audit-core';
import { EversealError } from './everseal-error.js';

export interface ProducerIdentity {
  readonly name: string;
  /** Where its requests go. */
  readonly subject: string;
  /** The one place below which the broker lets it listen. */
  readonly inboxPrefix: string;
}

const URI = /^spiffe:\/\/([^/]+)\/producer\/([a-z0-9-]+)$/;

/**
 * @param origin of the ledger: `<domain>/<ledger>`
 * @throws EversealError client.settings: not a producer's certificate, or of another domain than the ledger
 */
export function producerIdentity({ facts, files }: Material, origin: string): ProducerIdentity {
  const [, domain, name] = URI.exec(facts.uris[0] ?? '') ?? [];
  if (domain === undefined || name === undefined) {
    const message = `${files.certFile} is the certificate of ${facts.uris[0]}, not of a producer: name that one`;
    throw new EversealError('client.settings', message);
  }
  const place = parseOrigin(origin);
  if (place.domain !== domain) {
    const message = `${files.certFile} is of ${domain}, the trust file is of ${origin}: they belong to two installations`;
    throw new EversealError('client.settings', message);
  }
  return { name, subject: `audit.submit.${place.ledger}.${name}`, inboxPrefix: `_INBOX_${name}` };
}
