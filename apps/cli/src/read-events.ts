/** From files and standard input to events that can be sent, each with the place it came from. */
import { createReadStream, statSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { codeOf } from '@everseal/process';
import { usage } from './cli-failure.js';
import { cloudEventOf } from './cloudtrail.js';
import { InputError } from './input-error.js';
import { detectFormat, sliceValues, type InputFormat } from './input-format.js';

/** One event: the bytes that are sent, sealed and proven. */
export interface InputEvent {
  bytes: Buffer;
  /** As it was named; `-` is standard input, '' the command line. */
  file: string;
  /** Which event of its file, from 0. */
  position: number;
  /** Its id; null until it is known. */
  id: string | null;
}

/** A file is held in memory as a whole. */
const MOST_FILE_BYTES = 1024 * 1024 * 1024;

/**
 * All events of a file. CloudTrail delivers gzip; it is recognised and unpacked.
 * @param file path, or `-` for standard input
 * @param format null: recognised by the first bytes
 * @throws InputError; CliFailure and system errors for a file that cannot be read
 */
export async function readEvents(
  file: string,
  format: InputFormat | null,
  stdin: AsyncIterable<Buffer | string>,
): Promise<InputEvent[]> {
  const bytes = unpacked(await readBounded(file, stdin), file);
  const found = format ?? detectFormat(bytes);
  const values = sliceValues(bytes, found, file);
  if (values.length === 0) throw new InputError(file, null, 'it holds no event');
  return values.map((value, position) => ({
    bytes: found === 'cloudtrail' ? cloudEventOf(value, file, position) : value,
    file,
    position,
    id: null,
  }));
}

async function readBounded(file: string, stdin: AsyncIterable<Buffer | string>): Promise<Buffer> {
  if (file !== '-' && statSync(file).isDirectory()) throw usage(`${file} is a folder: name its files`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of file === '-' ? stdin : (createReadStream(file) as AsyncIterable<Buffer>)) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    size += bytes.length;
    if (size > MOST_FILE_BYTES) throw new InputError(file, null, `it has more than ${MOST_FILE_BYTES} bytes: split it`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks, size);
}

function unpacked(bytes: Buffer, file: string): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_FILE_BYTES });
  } catch (cause) {
    const why =
      codeOf(cause) === 'ERR_BUFFER_TOO_LARGE'
        ? `it unpacks to more than ${MOST_FILE_BYTES} bytes`
        : 'it is no whole gzip file';
    throw new InputError(file, null, why, { cause });
  }
}
