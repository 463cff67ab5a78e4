/**
 * Acknowledgements (formats.md, "Acknowledgement"): a person's word that an alert which nothing else clears was looked into.
 * A file in the folder of the service that raised it:
 *
 *     everseal/acknowledgement/v1
 *     <source of the alert: <domain>/<service>/<name>>
 *     <its number>
 *     <its code>
 *     <time>
 *     <by: who says so, 1 to 64 characters>
 *     <reason: 1 to 500 characters>
 *
 * It is not signed: who can put it there has the service's alert key as well. What it did is signed, by the clearing alert,
 * which repeats it. Source and code are there so that a wrong number, or a file in the wrong folder, clears nothing.
 */
import { formatDecimal, parseDecimal } from './decimal.js';
import { FormatError } from './format-error.js';
import { alertKeyName } from './names.js';
import { quote } from './quote.js';
import { formatRecord, RecordLines, requireCanonical } from './record-lines.js';
import { parseTimestamp, type Timestamp } from './timestamp.js';
import { decodeUtf8 } from './utf8.js';
import { isVerdictCode, type VerdictCode } from './verdict.js';

const KIND = 'everseal/acknowledgement/v1';
const MOST_BYTES = 4_096;
const MOST_BY = 64;
const MOST_REASON = 500;
/** Nothing that a terminal would act on, and no line break: each value is one line. */
const VISIBLE = /^[^\p{Control}\p{Format}\p{Surrogate}\p{Zl}\p{Zp}]+$/u;

export interface Acknowledgement {
  /** `<domain>/<service>/<name>` of the one that raised the alert. */
  readonly source: string;
  readonly number: number;
  readonly code: VerdictCode;
  readonly time: Timestamp;
  /** Who says so, as they call themselves. */
  readonly by: string;
  readonly reason: string;
}

/** @throws FormatError as `parseAcknowledgement` */
export function formatAcknowledgement(said: Acknowledgement): string {
  const { source, number, code, time, by, reason } = said;
  const text = formatRecord(KIND, [source, formatDecimal(number), code, time, by, reason]);
  parseAcknowledgement(Buffer.from(text));
  return text;
}

/**
 * @throws FormatError `acknowledgement.size` (above 4,096 bytes), `.utf8`, `.kind`, `.lines`, `.source`, `.number`, `.code`, `.time`,
 * `.by`, `.reason`, `.canonical`
 */
export function parseAcknowledgement(bytes: Uint8Array): Acknowledgement {
  if (bytes.length > MOST_BYTES) {
    throw new FormatError('acknowledgement.size', `it has ${bytes.length} bytes, at most ${MOST_BYTES} are read`);
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new FormatError('acknowledgement.utf8', 'it is not UTF-8');
  const lines = new RecordLines('acknowledgement', KIND, text);
  const said: Acknowledgement = {
    source: lines.nextText('source', sourceOf),
    number: lines.next('number', parseNumber),
    code: lines.next('code', parseCode),
    time: lines.nextText('time', parseTimestamp),
    by: lines.nextText('by', (line) => requireVisible(line, MOST_BY)),
    reason: lines.nextText('reason', (line) => requireVisible(line, MOST_REASON)),
  };
  lines.end();
  const { source, number, code, time, by, reason } = said;
  requireCanonical(
    'acknowledgement',
    text,
    formatRecord(KIND, [source, formatDecimal(number), code, time, by, reason]),
  );
  return said;
}

function sourceOf(line: string): string {
  const [domain, service, name, ...rest] = line.split('/');
  if (domain === undefined || service === undefined || name === undefined || rest.length > 0) {
    throw new FormatError('name.source', `${quote(line)} is not <domain>/<service>/<name>`);
  }
  return alertKeyName(domain, service, name);
}

function parseNumber(line: string): number {
  const number = parseDecimal(line);
  if (number < 1) throw new FormatError('alert.number', 'alerts are numbered from 1');
  return number;
}

function parseCode(line: string): VerdictCode {
  if (isVerdictCode(line)) return line;
  throw new FormatError('acknowledgement.code', `${quote(line)} is no verdict`);
}

function requireVisible(line: string, most: number): void {
  if (line.trim() === line && VISIBLE.test(line) && [...line].length <= most) return;
  throw new FormatError('acknowledgement.text', `give 1 to ${most} visible characters, on one line`);
}
