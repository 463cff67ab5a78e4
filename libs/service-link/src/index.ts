export { openServiceLink } from './open-service-link.js';
