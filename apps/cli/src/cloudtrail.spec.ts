import { describe, expect, it } from '@jest/globals';
import { parseSubmission } from '@everseal/audit-core';
import { cloudEventOf } from './cloudtrail.js';

const RECORD = `{"eventVersion":"1.08","userIdentity":{"arn":"arn:aws:iam::111122223333:user/anna"},
  "eventTime" : "2026-01-31T09:30:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1",
  "requestParameters":{"maxItems":1e2,"id":12345678901234567890},"eventID":"11111111-2222-3333-4444-555555555555",
  "resources":[{"ARN":"arn:aws:iam::111122223333:user/bob","type":"AWS::IAM::User"}],"recipientAccountId":"111122223333"}`;

function eventOf(record: string): Buffer {
  return cloudEventOf(Buffer.from(record), 'trail.json', 4);
}

describe('a CloudTrail record', () => {
  it('becomes data byte for byte, in an event that ingest takes', () => {
    const event = eventOf(RECORD);
    expect(event.toString()).toBe(
      '{"specversion":"1.0","id":"11111111-2222-3333-4444-555555555555",' +
        '"source":"urn:aws:cloudtrail:111122223333:us-east-1:iam.amazonaws.com","type":"com.amazonaws.iam.CreateUser",' +
        `"time":"2026-01-31T09:30:00Z","subject":"arn:aws:iam::111122223333:user/bob","data":${RECORD}}`,
    );
    expect(parseSubmission(undefined, event).events).toHaveLength(1);
  });

  it('without account, region and resources still has its place', () => {
    const record =
      '{"eventID":"1","eventSource":"s3.amazonaws.com","eventName":"E","eventTime":"2026-01-31T09:30:00Z"}';
    expect(JSON.parse(eventOf(record).toString())).toEqual({
      specversion: '1.0',
      id: '1',
      source: 'urn:aws:cloudtrail:-:-:s3.amazonaws.com',
      type: 'com.amazonaws.s3.E',
      time: '2026-01-31T09:30:00Z',
      data: JSON.parse(record),
    });
  });

  it.each([
    ['no eventID', RECORD.replace('"eventID"', '"eventId"'), 'event 4 of trail.json: the record has no eventID'],
    ['an eventName that is no text', RECORD.replace('"CreateUser"', '7'), 'no eventName'],
    ['an array', '[1]', 'the record is no JSON object'],
    ['no JSON', '{', 'the text ends'],
  ])('with %s is refused', (_, record, message) => {
    expect(() => eventOf(record)).toThrow(message);
  });
});
