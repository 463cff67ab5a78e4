/**
 * The database roles of Everseal. They are created with the installation (they are cluster-wide, and what may log in as
 * which is policy); the migrations grant to them and fail when one is missing.
 *
 *   everseal_owner     NOLOGIN, owns schema `everseal` and everything in it; nobody works as it but a migration
 *   everseal_migrator  member of everseal_owner, used at deploy time only
 *   everseal_sealer    SELECT and INSERT; UPDATE of the two head rows and of a frame's position
 *   everseal_verifier  SELECT, every transaction read only
 *   everseal_reader    SELECT, every transaction read only
 */
export const OWNER_ROLE = 'everseal_owner';
export const MIGRATOR_ROLE = 'everseal_migrator';
export const SEALER_ROLE = 'everseal_sealer';
export const VERIFIER_ROLE = 'everseal_verifier';
export const READER_ROLE = 'everseal_reader';

export const ALL_ROLES = [OWNER_ROLE, MIGRATOR_ROLE, SEALER_ROLE, VERIFIER_ROLE, READER_ROLE] as const;
