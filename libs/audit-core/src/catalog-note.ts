/**
 * The signed agreement on a database (formats.md, `everseal/catalog/v1`): the deploy step writes and signs it, a verifier
 * compares the database with it. It is a file of the installation and no entry of a log.
 *
 *     everseal/catalog/v1
 *     <domain>
 *     <database>
 *     <time of signing>
 *     <number of lines>
 *     <line>            sorted bytewise, each once, no control character
 *     …
 *
 * One signature line by `<domain>/deploy/catalog`. That key is in no key set: a verifier is told of it in its settings.
 */
import { formatDecimal, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import type { SigningKey, VerifierKey } from './key.js';
import { deployKeyName, parseDomain } from './names.js';
import { openNote, signNote } from './note.js';
import { formatRecord, RecordLines, requireCanonical, requireSigner } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';

const KIND = 'everseal/catalog/v1';

/** What was agreed on for one database. */
export type CatalogAgreement = {
  readonly domain: string;
  readonly database: string;
  /** When it was signed. */
  readonly time: Timestamp;
  /** One fact each; sorted when it is written. */
  readonly lines: readonly string[];
};

/** The signed text. Lines are sorted, doubles left out. */
export function formatCatalogText({ domain, database, time, lines }: CatalogAgreement): string {
  const sorted = [...new Set(lines)].sort(bytewise);
  return formatRecord(KIND, [domain, database, time, formatDecimal(sorted.length), ...sorted]);
}

/** @throws FormatError `catalog.kind`, `catalog.lines`, `catalog.domain`, `catalog.database`, `catalog.time`, `catalog.count`, `catalog.canonical` */
export function parseCatalogText(text: string): CatalogAgreement {
  const read = new RecordLines('catalog', KIND, text);
  const domain = read.nextText('domain', parseDomain);
  const database = read.nextText('database', (line) => {
    if (line === '') throw new FormatError('catalog.name', 'the database has no name');
  });
  const time = read.nextText('time', parseTimestamp);
  const count = read.next('count', parseDecimal);
  const lines: string[] = [];
  while (lines.length < count) lines.push(read.next('line', (line) => line));
  read.end();
  const agreement = { domain, database, time, lines };
  requireCanonical('catalog', text, formatCatalogText(agreement));
  return agreement;
}

/**
 * @returns the signed note
 * @throws FormatError `catalog.*`, NoteError `note.*` for what no reader would take; RangeError for another key than the domain's deploy key
 */
export function signCatalog(agreement: CatalogAgreement, key: SigningKey): string {
  const text = formatCatalogText(agreement);
  parseCatalogText(text);
  requireSigner(key, deployKeyName(agreement.domain));
  return signNote(text, [key]);
}

/**
 * Opens an agreement with the deploy key that this reader was told of.
 * @throws NoteError `note.unverified`, `note.signature`, `note.*`; FormatError `catalog.*`, `catalog.signer` (of another domain than the key)
 */
export function openCatalog(note: Uint8Array | string, key: VerifierKey): CatalogAgreement {
  const agreement = parseCatalogText(openNote(note, [key]).text);
  if (key.name !== deployKeyName(agreement.domain)) {
    throw new FormatError('catalog.signer', `${key.name} does not sign for ${agreement.domain}`);
  }
  return agreement;
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
