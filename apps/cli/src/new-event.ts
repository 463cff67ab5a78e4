/** One CloudEvent from the options of the command line. `--data` is taken as the bytes that were typed. */
import { randomUUID } from 'node:crypto';
import { JsonTape } from '@everseal/audit-core';
import { usage } from './cli-failure.js';
import type { InputEvent } from './read-events.js';

export interface EventOptions {
  source?: string | undefined;
  type?: string | undefined;
  /** Default: a random UUID. Who may have to send the event again names one. */
  id?: string | undefined;
  subject?: string | undefined;
  /** RFC 3339. Default: now. */
  time?: string | undefined;
  /** JSON text. */
  data?: string | undefined;
}

/** True when one of the options was given, so that an event is meant. */
export function isEventGiven({ source, type, id, subject, time, data }: EventOptions): boolean {
  return [source, type, id, subject, time, data].some((value) => value !== undefined);
}

/** @throws CliFailure when source or type is missing, or data is no JSON */
export function newEvent(options: EventOptions, now: number): InputEvent {
  const { source, type, subject, data } = options;
  if (source === undefined || type === undefined) throw usage('an event needs --source and --type');
  const id = options.id ?? randomUUID();
  const time = options.time ?? new Date(now).toISOString();
  const attributes = { specversion: '1.0', id, source, type, time, ...(subject === undefined ? {} : { subject }) };
  const head = JSON.stringify(attributes).slice(0, -1);
  const bytes = Buffer.from(data === undefined ? `${head}}` : `${head},"data":${data.trim()}}`);
  if (data !== undefined) requireJson(Buffer.from(data));
  return { bytes, file: '', position: 0, id };
}

function requireJson(data: Buffer): void {
  if (new JsonTape().report(data, 0, data.length) === null) return;
  throw usage(`--data is no JSON: a text needs its quotes too, as in --data '"text"'`);
}
