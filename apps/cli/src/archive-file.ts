/** Files of an archive, read whole: bounded before a byte is read, and told apart from those that are not there. */
import { open } from 'node:fs/promises';

/**
 * @returns null when there is no such file; `tooLarge` when it is larger than `most` bytes
 */
export async function readArchiveFile(file: string, most: number): Promise<Buffer | 'tooLarge' | null> {
  let handle;
  try {
    handle = await open(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    return size > most ? 'tooLarge' : await handle.readFile();
  } finally {
    await handle.close();
  }
}
