/** A short list of names in a file of its own, to which names are added and from which none is ever taken. */
import { readFileSync } from 'node:fs';
import { replaceFile, StopProcess } from '@everseal/process';

/** Empty when there is no file. @throws StopProcess memory.damaged */
export function readNames(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const names: unknown = JSON.parse(text);
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  } catch (cause) {
    throw damaged(file, cause);
  }
  throw damaged(file);
}

/** On disk when it returns. @throws system errors */
export function addName(file: string, name: string): void {
  const names = readNames(file);
  if (!names.includes(name)) replaceFile(file, JSON.stringify([...names, name]));
}

function damaged(file: string, cause?: unknown): StopProcess {
  return new StopProcess('memory.damaged', `${file} is not a list of names: find out who changed it`, { cause });
}
