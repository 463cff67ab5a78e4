/**
 * Creates and checks the streams of an installation, at deploy time, over the provisioner's connection. May be run again
 * and again: what is there and right stays untouched.
 *
 * A stream that differs from the policy is reported and left alone, because somebody has to know why it differs before a
 * limit is lowered under unsealed frames; naming it in `update` changes it. Deleting and purging are not possible: the
 * provisioner's certificate has no right to either.
 */
import { randomUUID } from 'node:crypto';
import { JetStreamApiError, jetstreamManager, type StreamAPI, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Policy } from './policy.js';
import { compareStream, epochOf, type ActualStream, type StreamDifference } from './stream-difference.js';
import { EPOCH_KEY, expectedStreams, type ExpectedStream } from './streams.js';

export interface ProvisionOptions {
  /** Names of streams that may be changed to what the policy says; default none. */
  update?: readonly string[];
  /** A new stream's epoch; default a random UUID. */
  newEpoch?: () => string;
}

export interface ProvisionedStream {
  name: string;
  /** `differs`: it was left as it is, and no service will accept it. */
  outcome: 'created' | 'unchanged' | 'updated' | 'differs';
  epoch: string | null;
  /** What differs still; empty unless the outcome is `differs`. */
  differences: StreamDifference[];
}

/** JetStream's code for "stream not found". */
const NOT_FOUND = 10_059;

/** One result a stream of the policy, in its order. Rejects with the client's error when the server refuses or is away. */
export async function provisionStreams(
  connection: NatsConnection,
  policy: Policy,
  { update = [], newEpoch = randomUUID }: ProvisionOptions = {},
): Promise<ProvisionedStream[]> {
  const { streams } = await jetstreamManager(connection, { checkAPI: false });
  const results: ProvisionedStream[] = [];
  for (const expected of expectedStreams(policy)) {
    const found = await find(streams, expected.name);
    if (found === null) results.push(await create(streams, expected, newEpoch()));
    else results.push(await settle(streams, expected, found, update.includes(expected.name) ? newEpoch : null));
  }
  return results;
}

async function find(streams: StreamAPI, name: string): Promise<StreamInfo | null> {
  try {
    return await streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NOT_FOUND) return null;
    throw error;
  }
}

async function create(streams: StreamAPI, expected: ExpectedStream, epoch: string): Promise<ProvisionedStream> {
  try {
    return result(expected, await streams.add({ ...expected, metadata: { [EPOCH_KEY]: epoch } }), 'created');
  } catch (error) {
    // A refusal or a lost answer is no news about the stream: another provisioner may have been faster, or this very
    // request was carried out. What is there now is judged like any stream that was there before.
    const found = await find(streams, expected.name);
    if (found === null) throw error;
    return settle(streams, expected, found, null);
  }
}

/** `newEpoch` is null when the stream must not be changed. A stream keeps its epoch, unless it has none. */
async function settle(
  streams: StreamAPI,
  expected: ExpectedStream,
  found: StreamInfo,
  newEpoch: (() => string) | null,
): Promise<ProvisionedStream> {
  const now = result(expected, found, 'unchanged');
  if (now.differences.length === 0 || newEpoch === null) return now;
  const metadata = { [EPOCH_KEY]: now.epoch ?? newEpoch() };
  return result(expected, await streams.update(expected.name, { ...expected, metadata }), 'updated');
}

function result(
  expected: ExpectedStream,
  { config }: StreamInfo,
  outcome: 'created' | 'unchanged' | 'updated',
): ProvisionedStream {
  const actual: ActualStream = { ...config };
  const differences = compareStream(expected, actual);
  return {
    name: expected.name,
    outcome: differences.length === 0 ? outcome : 'differs',
    epoch: epochOf(actual),
    differences,
  };
}
