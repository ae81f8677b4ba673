export { afterAuthentication } from './after-authentication.js';
export { everyone } from './everyone.js';
export { firstOf } from './first-of.js';
export { header } from './header.js';
export { ip, type IpOptions } from './ip.js';
export { type HttpRequest, type Phase, type Subject, type SubjectFunction, type SubjectResolver } from './subject.js';
export { user, type UserOptions } from './user.js';
