/**
 * A real nats-server with one stream of frames, in an account that may do everything: a spec publishes what no ingester
 * would, deletes messages, and sets the whole store back.
 */

import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { StreamReader, type NatsLink } from '@everseal/messaging';
import { temporaryFolder, type TemporaryFolder } from '@everseal/testing';
import { LabBroker } from '../../../libs/messaging/src/broker.fixture.js';

const STREAM = 'FRAMES_main';

export class FramesBroker {
  private constructor(
    private readonly folder: TemporaryFolder,
    private readonly broker: LabBroker,
    readonly link: NatsLink,
  ) {}

  static async start(): Promise<FramesBroker> {
    const folder = temporaryFolder('frames');
    const broker = await LabBroker.start({ folder });
    const started = new FramesBroker(folder, broker, await broker.link());
    await started.addStream('e1');
    return started;
  }

  get reader(): StreamReader {
    return new StreamReader(this.link, STREAM, { apiPrefix: '$JS.API', timeoutMs: 2_000 });
  }

  async addStream(epoch: string): Promise<void> {
    const manager = await jetstreamManager(this.link.nc);
    await manager.streams.add({
      name: STREAM,
      subjects: ['audit.frames.main.*'],
      allow_direct: true,
      metadata: { epoch },
    });
  }

  /** Another stream of this name, with the old one's epoch unless told otherwise. */
  async replaceStream(epoch = 'e1'): Promise<void> {
    await (await jetstreamManager(this.link.nc)).streams.delete(STREAM);
    await this.addStream(epoch);
  }

  /** @returns the sequence of the message */
  async publish(subject: string, data: Uint8Array): Promise<number> {
    const answer = await this.link.nc.request(subject, data, { timeout: 5_000 });
    return answer.json<{ seq: number }>().seq;
  }

  async deleteMessage(sequence: number): Promise<void> {
    await (await jetstreamManager(this.link.nc)).streams.deleteMessage(STREAM, sequence);
  }

  /** Everything up to a sequence falls off, as from a full ring. */
  async dropTo(sequence: number): Promise<void> {
    await (await jetstreamManager(this.link.nc)).streams.purge(STREAM, { seq: sequence + 1 });
  }

  /** What the server's disk holds now. */
  keepStore(): void {
    cpSync(this.store, this.kept, { recursive: true });
  }

  /** The server loses everything since `keepStore`: the stream has the same name, epoch and creation time. */
  async setBack(): Promise<void> {
    const { nats } = this.broker;
    nats.process.kill('SIGKILL');
    await nats.process.process.exited;
    rmSync(this.store, { recursive: true });
    cpSync(this.kept, this.store, { recursive: true });
    const reconnected = new Promise<void>((resolve) => this.link.listen({ reconnected: resolve }));
    await nats.restart();
    await reconnected;
  }

  private get store(): string {
    return path.join(this.folder.path, 'nats', 'store');
  }

  private get kept(): string {
    return path.join(this.folder.path, 'kept');
  }

  async stop(): Promise<void> {
    await this.broker.stop();
    this.folder.remove();
  }
}
