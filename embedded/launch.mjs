/** What `npm start`, `npm test` and the other scripts call: `node embedded/launch.mjs FILE.ts [args]`, `--test [args]`, `--check`. */
import { launch } from './bootstrap.mjs';

await launch(process.argv.slice(2));
