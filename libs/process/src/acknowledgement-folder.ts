/**
 * Where acknowledgements are dropped: `acknowledgements/` beside a service's alert book, one file each (`<number>.ack`,
 * format in audit-core's acknowledgement.ts). The service looks there whenever it sends alerts, every few seconds.
 *
 * A file that cleared its alert is removed, one that clears nothing is kept as `<name>.refused`. Crash between clearing and
 * removing: the alert is not open any more, so the file is refused at the next look, and nothing is cleared twice.
 */
import { readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { FormatError, parseAcknowledgement, type Acknowledgement } from '@everseal/audit-core';
import { codeOf } from './failure.js';

const FOLDER = 'acknowledgements';
const ENDING = '.ack';
/** Files of one look; the next one takes the rest. */
const MOST_A_LOOK = 100;
/** Left by somebody whose files the service cannot read or remove: not this service's failure, and nothing is cleared. */
const NOT_OURS = new Set(['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'EISDIR']);

/** The file that acknowledges an alert of the service whose book is in this folder. */
export function acknowledgementFile(folder: string, number: number): string {
  return path.join(folder, FOLDER, `${number}${ENDING}`);
}

/**
 * @param folder where the alert book is
 * @param take clears the alert; false when there is nothing to clear
 */
export function takeAcknowledgements(folder: string, take: (said: Acknowledgement) => boolean): void {
  const place = path.join(folder, FOLDER);
  const names = quietly(() => readdirSync(place)) ?? [];
  for (const name of names.filter((one) => one.endsWith(ENDING)).slice(0, MOST_A_LOOK)) {
    const file = path.join(place, name);
    const bytes = quietly(() => readFileSync(file));
    if (bytes === null) continue;
    const said = read(bytes);
    const cleared = said !== null && `${said.number}${ENDING}` === name && take(said);
    quietly(() => (cleared ? rmSync(file) : renameSync(file, `${file}.refused`)));
  }
}

function read(bytes: Buffer): Acknowledgement | null {
  try {
    return parseAcknowledgement(bytes);
  } catch (error) {
    if (error instanceof FormatError) return null;
    throw error;
  }
}

function quietly<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (NOT_OURS.has(codeOf(error) ?? '')) return null;
    throw error;
  }
}
