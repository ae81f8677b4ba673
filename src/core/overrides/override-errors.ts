import { RateLimitError } from '../errors.js';

/** Numbers, a subject or an expiry that no override can have. Nothing was changed. */
export class InvalidOverrideError extends RateLimitError {}

/** As many overrides and blocks are kept as the storage takes. Nothing was changed. */
export class TooManyOverridesError extends RateLimitError {}
