import { Injectable } from '@nestjs/common';

export interface User {
  readonly id: string;
  readonly name: string;
}

interface Account {
  readonly user: User;
  readonly password: string;
  readonly token: string;
}

/** For the demonstration only: real passwords are stored as salted hashes, and real tokens are random and expire. */
const DEMO_ACCOUNTS: readonly Account[] = [
  { user: { id: 'user-1', name: 'alice' }, password: 'alice-password', token: 'alice-token' },
  { user: { id: 'user-2', name: 'bob' }, password: 'bob-password', token: 'bob-token' },
];

@Injectable()
export class Accounts {
  userOfToken(token: string): User | undefined {
    return DEMO_ACCOUNTS.find((account) => account.token === token)?.user;
  }

  tokenFor(username: string, password: string): string | undefined {
    return DEMO_ACCOUNTS.find(({ user, ...account }) => user.name === username && account.password === password)?.token;
  }
}
