/**
 * Names of an installation and the key names made of them (formats.md, "Names, numbers, times").
 *
 * - domain: a lower-case DNS name with at least one dot, at most 180 bytes; labels of 1 to 63 letters, digits and inner
 *   hyphens, the last one not all digits (that would read as an IP address).
 * - ledger: `[a-z0-9][a-z0-9-]{0,47}`; producer, ingester, verifier, operator: `[a-z0-9][a-z0-9-]{0,62}`. Both can be
 *   NATS subject tokens and parts of a path as they are.
 * - origin of a ledger: `<domain>/<ledger>`, the first line of its checkpoints and the name of its log key.
 *
 * No such name holds a space, a plus or a slash, so every key name is a valid name of a C2SP note key, and the six
 * kinds of key names never meet: a ledger has one part after the domain, the others have two or three.
 */
import { FormatError } from './format-error.js';
import { quote } from './quote.js';

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const LEDGER = /^[a-z0-9][a-z0-9-]{0,47}$/;
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
const MOST_DOMAIN_BYTES = 180;

function isDomain(text: string): boolean {
  if (text.length > MOST_DOMAIN_BYTES) return false;
  const labels = text.split('.');
  return labels.length >= 2 && labels.every((label) => LABEL.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? '');
}

/** Returns the domain; throws FormatError `name.domain`. */
export function parseDomain(text: string): string {
  if (!isDomain(text)) {
    throw new FormatError('name.domain', `${quote(text)} is not a lower-case DNS name with a dot, at most 180 bytes`);
  }
  return text;
}

/** Returns the ledger name; throws FormatError `name.ledger`. */
export function parseLedgerName(text: string): string {
  if (!LEDGER.test(text)) {
    throw new FormatError('name.ledger', `${quote(text)} is not a ledger name: a-z, 0-9 and hyphens, at most 48`);
  }
  return text;
}

/** Returns the name of a producer, ingester, verifier, operator or service; throws FormatError `name.name`. */
export function parseName(text: string): string {
  if (!NAME.test(text)) {
    throw new FormatError('name.name', `${quote(text)} is not a name: a-z, 0-9 and hyphens, at most 63`);
  }
  return text;
}

/** The origin of a ledger: `audit.example.com`, `main` → `audit.example.com/main`. */
export function originOf(domain: string, ledger: string): string {
  return `${parseDomain(domain)}/${parseLedgerName(ledger)}`;
}

/** Takes an origin apart; throws FormatError `name.origin`, `name.domain` or `name.ledger`. */
export function parseOrigin(origin: string): { domain: string; ledger: string } {
  const slash = origin.indexOf('/');
  if (slash < 0) throw new FormatError('name.origin', `${quote(origin)} is not an origin like audit.example.com/main`);
  return { domain: parseDomain(origin.slice(0, slash)), ledger: parseLedgerName(origin.slice(slash + 1)) };
}

/** Name of the key that signs the checkpoints, blocks, gaps and key sets of a ledger: its origin. */
export function logKeyName(origin: string): string {
  const { domain, ledger } = parseOrigin(origin);
  return originOf(domain, ledger);
}

/** Name of the key with which an ingester signs its frames. */
export function ingestKeyName(domain: string, ingester: string): string {
  return `${parseDomain(domain)}/ingest/${parseName(ingester)}`;
}

/** Name of the key with which a verifier cosigns checkpoints (type 0x04). */
export function verifierKeyName(domain: string, verifier: string): string {
  return `${parseDomain(domain)}/verifier/${parseName(verifier)}`;
}

/** Name of an operator's offline key, which signs key sets and successors. */
export function operatorKeyName(domain: string, operator: string): string {
  return `${parseDomain(domain)}/operator/${parseName(operator)}`;
}

/** Name of the key with which one instance of a service signs its alerts. */
export function alertKeyName(domain: string, service: string, name: string): string {
  return `${parseDomain(domain)}/${parseName(service)}/${parseName(name)}/alerts`;
}

/** Name of the key with which the deploy step signs what was agreed on for the database. */
export function deployKeyName(domain: string): string {
  return `${parseDomain(domain)}/deploy/catalog`;
}
