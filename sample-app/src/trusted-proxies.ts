/**
 * The value of Express' `trust proxy` from a variable of the environment: addresses and networks separated by commas
 * (`loopback, 10.0.0.0/8`), or how many proxies stand before the application (`1`). Unset: none, so that nobody can
 * choose an address by writing X-Forwarded-For.
 */
export function trustedProxies(variable: string | undefined): string | number | false {
  if (variable === undefined || variable === '') return false;
  return /^\d+$/.test(variable) ? Number(variable) : variable;
}
