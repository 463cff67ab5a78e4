/**
 * A CloudTrail record as a CloudEvent. The record's bytes become `data` exactly as they stand in the file: a reader of
 * the log can compare them with the delivered file byte for byte.
 *
 *   id       eventID
 *   source   urn:aws:cloudtrail:<recipientAccountId>:<awsRegion>:<eventSource>
 *   type     eventSource with its labels reversed, then eventName: com.amazonaws.iam.CreateUser
 *   time     eventTime
 *   subject  resources[0].ARN; left out when there is none
 *   data     the record
 *
 * A missing account or region is `-`. A policy that lets a producer bring CloudTrail in names `urn:aws:cloudtrail:*` or a
 * longer prefix. Delivering the same file twice is safe: same id, same source, same bytes.
 *
 * Source of the field names: AWS CloudTrail user guide, "CloudTrail record contents".
 */
import { JsonError, JsonKind, JsonTape } from '@everseal/audit-core';
import { InputError } from './input-error.js';

const REQUIRED = ['eventID', 'eventSource', 'eventName', 'eventTime'] as const;
const TEXTS = [...REQUIRED, 'awsRegion', 'recipientAccountId'] as const;
type Text = (typeof TEXTS)[number];

const tape = new JsonTape();

/**
 * The CloudEvent of one record.
 * @param record its exact bytes
 * @throws InputError when it is no CloudTrail record
 */
export function cloudEventOf(record: Buffer, file: string, position: number): Buffer {
  const { texts, arn } = readRecord(record, file, position);
  const missing = REQUIRED.find((name) => texts[name] === undefined);
  if (missing !== undefined)
    throw new InputError(file, position, `the record has no ${missing}: it is no CloudTrail record`);
  const { eventID, eventSource, eventName, eventTime, awsRegion = '-', recipientAccountId = '-' } = texts;
  const attributes = {
    specversion: '1.0',
    id: eventID,
    source: `urn:aws:cloudtrail:${recipientAccountId}:${awsRegion}:${eventSource}`,
    type: `${eventSource!.split('.').toReversed().join('.')}.${eventName}`,
    time: eventTime,
    ...(arn === undefined ? {} : { subject: arn }),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(attributes).slice(0, -1)},"data":`), record, Buffer.from('}')]);
}

function readRecord(
  record: Buffer,
  file: string,
  position: number,
): { texts: Partial<Record<Text, string>>; arn: string | undefined } {
  const fault = tape.report(record, 0, record.length);
  if (fault !== null) throw new InputError(file, position, new JsonError(fault, tape.offset).message);
  if (tape.kind(0) !== JsonKind.object) throw new InputError(file, position, 'the record is no JSON object');
  const texts: Partial<Record<Text, string>> = {};
  let arn: string | undefined;
  for (let name = tape.firstName(0); name >= 0; name = tape.nextName(0, name)) {
    const text = tape.nameText(name);
    if (TEXTS.includes(text as Text)) texts[text as Text] = textOf(tape.valueOf(name));
    else if (text === 'resources') arn = memberOf(tape.firstElement(tape.valueOf(name)), 'ARN');
  }
  return { texts, arn };
}

function memberOf(object: number, wanted: string): string | undefined {
  for (let name = tape.firstName(object); name >= 0; name = tape.nextName(object, name)) {
    if (tape.nameText(name) === wanted) return textOf(tape.valueOf(name));
  }
  return undefined;
}

/** A string that is not empty. */
function textOf(node: number): string | undefined {
  if (tape.kind(node) !== JsonKind.string) return undefined;
  return tape.stringValue(node) || undefined;
}
