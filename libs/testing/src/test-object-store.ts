/**
 * A real S3-compatible server with Object Lock for specs, where one is installed: `moto_server` (PyPI, moto[server]), a program that we
 * did not write. Specs that need it skip, and say so in one line, where it is not on PATH; nothing is downloaded.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

const PROGRAM = 'moto_server';
const START_MS = 60_000;

/** Null when there is a server; else why there is none, in one line. */
export function objectStoreMissing(): string | null {
  const { error } = spawnSync(PROGRAM, ['--help'], { stdio: 'ignore' });
  return error
    ? `skipped: no ${PROGRAM} on PATH (pip install "moto[server]"), and nothing else here stores objects`
    : null;
}

export class TestObjectStore {
  readonly credentials = { accessKeyId: 'spec', secretAccessKey: 'spec' };

  private constructor(
    private readonly process: ChildProcess,
    readonly endpoint: string,
  ) {}

  static async start(): Promise<TestObjectStore> {
    const server = spawn(PROGRAM, ['-H', '127.0.0.1', '-p', '0'], { stdio: ['ignore', 'pipe', 'pipe'] });
    const endpoint = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${PROGRAM} did not start: ${said}`)), START_MS);
      let said = '';
      const hear = (data: Buffer): void => {
        said += data.toString();
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
        if (!found) return;
        clearTimeout(timer);
        resolve(found[0]);
      };
      server.stdout.on('data', hear);
      server.stderr.on('data', hear);
      server.on('exit', () => reject(new Error(`${PROGRAM} ended: ${said}`)));
    });
    return new TestObjectStore(server, endpoint);
  }

  client(): S3Client {
    const { endpoint, credentials } = this;
    return new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true, maxAttempts: 1 });
  }

  async bucket(name: string, withLock = true): Promise<void> {
    const s3 = this.client();
    await s3.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: withLock }));
    s3.destroy();
  }

  async stop(): Promise<void> {
    const ended = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await ended;
  }
}
