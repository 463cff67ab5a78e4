/**
 * How near a certificate is to its end. Pure.
 *
 * | certificate | said when less is left than |
 * | --- | --- |
 * | valid for up to 60 days | a quarter, a sixth of its lifetime |
 * | valid for longer | 30, 14, 7 days, 1 day |
 * | an authority, valid for more than 540 days | 180, 90, 30 days |
 *
 * What renews certificates does so at two thirds of their life (step-ca, cert-manager, SPIRE, our own): at a quarter that
 * has failed, and not only not happened yet.
 */
import type { ObservedCertificate } from './observation.js';

const DAY_MS = 86_400_000;
const SHORT_LIVED_DAYS = 60;
const LONG_LIVED_AUTHORITY_DAYS = 540;

/** What is left is less than this, in words; `lapsed` when nothing is. Null: there is enough. */
export function expiryStage(
  { notBefore, notAfter, isAuthority }: Pick<ObservedCertificate, 'notBefore' | 'notAfter' | 'isAuthority'>,
  now: number,
): string | null {
  const left = notAfter - now;
  if (left <= 0) return 'lapsed';
  const lifetime = notAfter - notBefore;
  const isShort = lifetime <= (isAuthority ? LONG_LIVED_AUTHORITY_DAYS : SHORT_LIVED_DAYS) * DAY_MS;
  if (isShort) {
    if (left * 6 < lifetime) return 'less than a sixth of its lifetime is left';
    return left * 4 < lifetime ? 'less than a quarter of its lifetime is left' : null;
  }
  const days = (isAuthority ? [30, 90, 180] : [1, 7, 14, 30]).find((bound) => left < bound * DAY_MS);
  if (days === undefined) return null;
  return days === 1 ? 'less than a day is left' : `less than ${days} days are left`;
}
