// What is measured: policies whose buckets are not full again while they are looked at, and subjects.
import { Policy } from '../../dist/esm/index.js';

export const DAY = 86_400;

export const policyOf = (algorithm, capacity = 10_000) =>
  new Policy({ name: 'exports', capacity, perSeconds: DAY, algorithm });

/** Addresses as `ip()` names them. */
export const addressOf = (i) => `ip:10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`;

const hex = (value, length) => value.toString(16).padStart(length, '0');

/** Users that are named by a UUID. */
export const userOf = (i) => `user:${hex(i, 8)}-7c1e-4f0a-9b3d-${hex(i * 7919, 12)}`;
