declare module 'fs-native-extensions' {
  /** Exclusive lock on the open file; false when another open file description holds it. Released with the descriptor or the process. */
  export function tryLock(fd: number): boolean;
}
