/**
 * How much an alert says. Its texts may come from a database or a broker whose owner is the suspect, and one that makes the alert
 * larger than a message may be would keep it, and all behind it, from everybody.
 */

/** Characters of one text; JSON makes at most six bytes of each. */
const MOST_CHARACTERS = 2_048;
/** Bytes of all the evidence, as JSON: half a message (audit-core's limits.ts). */
const MOST_EVIDENCE_BYTES = 524_288;

/** A text for people, cut, with how much was cut. */
export function cutText(text: string): string {
  if (text.length <= MOST_CHARACTERS) return text;
  const kept = isHighSurrogate(text.charCodeAt(MOST_CHARACTERS - 1)) ? MOST_CHARACTERS - 1 : MOST_CHARACTERS;
  return `${text.slice(0, kept)}… (${text.length - kept} characters more)`;
}

/** Evidence is kept whole, for half a signed note shows nothing; cut is what no message could carry. */
export function cutEvidence(evidence: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (Buffer.byteLength(JSON.stringify(evidence)) <= MOST_EVIDENCE_BYTES) return evidence;
  return Object.fromEntries(Object.entries(evidence).map(([name, text]) => [name, cutText(text)]));
}

/** The first half of a character that takes two. */
function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
