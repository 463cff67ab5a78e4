/** The key pair for an object store, from a JSON file that nobody else may read: `{"accessKeyId":"…","secretAccessKey":"…"}`. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { StopProcess } from '@everseal/process';
import { z } from 'zod';

const schema = z.strictObject({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
});

export interface ObjectCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** @throws StopProcess anchor.credentials; nothing of what the file holds is said */
export function readObjectCredentials(file: string): ObjectCredentials {
  const fd = openSync(file, 'r');
  try {
    if ((fstatSync(fd).mode & 0o077) !== 0) {
      throw new StopProcess(
        'anchor.credentials',
        `${file} can be read or written by others: chmod 600 it, and renew the key`,
      );
    }
    const parsed = schema.safeParse(jsonOf(readFileSync(fd, 'utf8')));
    if (!parsed.success) {
      throw new StopProcess('anchor.credentials', `${file} holds no JSON object with accessKeyId and secretAccessKey`);
    }
    const { sessionToken, ...pair } = parsed.data;
    return sessionToken === undefined ? pair : { ...pair, sessionToken };
  } finally {
    closeSync(fd);
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
