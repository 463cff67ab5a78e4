/**
 * Says that this process lives: when it starts, in every period, and at once after each break of the connection. A start and
 * a broken connection together would otherwise look like a silence to whoever listens for it.
 */
import type { NatsLink } from './connect.js';

export interface SignOfLife {
  start(): void;
  stop(): void;
}

/**
 * @param everyMs the period, milliseconds
 * @param say publishes the sign; called while there is no connection, too
 */
export function signOfLife(link: NatsLink, everyMs: number, say: () => void): SignOfLife {
  let end = (): void => {};
  return {
    start() {
      const timer = setInterval(say, everyMs);
      const deafen = link.listen({ reconnected: say });
      end = () => {
        clearInterval(timer);
        deafen();
      };
      say();
    },
    stop: () => end(),
  };
}
